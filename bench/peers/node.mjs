// Runs the work of run.lua on Node's piscina: `node node.mjs WORKERS FOLDER MODE`, where the folder has
// node_modules. Lists are cut into chunks by hand, four a worker, which travel as arrays (mode "arrays"),
// or as typed arrays that are handed over (mode "typed", for lists of numbers alone).
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

const CHUNKS_PER_WORKER = 4

// What workers run.

export function square (numbers) {
  for (let i = 0; i < numbers.length; i++) numbers[i] = numbers[i] ** 2
  return numbers
}

export function nothing () {}

function spinOnce (loops) {
  let x = 0.5
  for (let i = 0; i < loops; i++) x = 3.7 * x * (1 - x)
  return x
}

export function spin ({ n, loops }) {
  const results = new Float64Array(n)
  for (let i = 0; i < n; i++) results[i] = spinOnce(loops)
  return results
}

export function wait (seconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000)
}

// The runner.

async function main () {
  const nWorkers = Number(process.argv[2])
  const isTyped = process.argv[4] === 'typed'
  const { Piscina } = createRequire(process.argv[3] + '/')('piscina')
  const version = JSON.parse(readFileSync(`${process.argv[3]}/node_modules/piscina/package.json`)).version
  const now = () => Number(process.hrtime.bigint()) / 1e9
  let pool

  const timed = async f => {
    const start = now()
    const result = await f()
    return [now() - start, result]
  }

  const floats = n => Array.from({ length: n }, (_, i) => i + 1)

  const check = results => {
    let sum = 0
    for (let i = 0; i < results.length; i++) sum += (i + 1) % 1009 * (results[i] % 10007)
    return sum
  }

  // Runs a task for each chunk of n items, from `first` to before `end`.
  const inChunks = async (n, task) => {
    const size = Math.ceil(n / (CHUNKS_PER_WORKER * nWorkers))
    const chunks = []
    for (let i = 0; i < n; i += size) chunks.push(task(i, Math.min(i + size, n)))
    return Promise.all(chunks)
  }

  const squares = async xs => {
    const results = []
    for (const chunk of await inChunks(xs.length, (first, end) => {
      const numbers = isTyped ? Float64Array.from(xs.slice(first, end)) : xs.slice(first, end)
      return pool.run(numbers, { name: 'square', transferList: isTyped ? [numbers.buffer] : [] })
    })) for (const x of chunk) results.push(x)
    return results
  }

  const checked = map => async n => {
    const xs = floats(n)
    const [took, results] = await timed(() => map(xs))
    return `${took.toFixed(9)} ${check(results)}`
  }

  const residentBytes = () => Number(/VmRSS:\s*(\d+)/.exec(readFileSync('/proc/self/status'))[1]) * 1024

  const commands = {
    hello: () => `Node ${process.versions.node}, piscina ${version}, ${isTyped ? 'typed arrays' : 'arrays'}`,
    start: async () => {
      const before = residentBytes()
      const [took] = await timed(async () => {
        const filename = fileURLToPath(import.meta.url)
        pool = new Piscina({ filename, minThreads: nWorkers, maxThreads: nWorkers, idleTimeout: 1e6 })
        await Promise.all(floats(nWorkers).map(() => pool.run(null, { name: 'nothing' })))
      })
      commands.memory = () => Math.round((residentBytes() - before) / nWorkers)
      return took.toFixed(9)
    },
    squares: checked(squares),
    loop: checked(xs => xs.map(x => x ** 2)),
    apply: async n => {
      const times = []
      for (let i = 0; i < n; i++) times.push((await timed(() => pool.run(null, { name: 'nothing' })))[0])
      return times.sort((a, b) => a - b)[n >> 1].toFixed(9)
    },
    wait: async (n, seconds) => {
      const calls = () => Promise.all(floats(n).map(() => pool.run(seconds, { name: 'wait' })))
      return (await timed(calls))[0].toFixed(9)
    },
    spin: async (n, loops) => {
      const task = (first, end) => pool.run({ n: end - first, loops }, { name: 'spin' })
      const [took, results] = await timed(() => inChunks(n, task))
      return `${took.toFixed(9)} ${results.at(-1).at(-1)}`
    },
    spin_loop: async (n, loops) => {
      const [took, results] = await timed(() => spin({ n, loops }))
      return `${took.toFixed(9)} ${results.at(-1)}`
    }
  }

  // The mode is about lists of numbers: the rest would be the same again.
  if (isTyped) for (const name of ['loop', 'apply', 'wait', 'spin', 'spin_loop']) delete commands[name]

  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'quit') break
    const [command, ...values] = line.split(' ')
    console.log(commands[command] ? await commands[command](...values.map(Number)) : 'none')
  }
  await pool?.destroy()
  process.exit() // its input may stay open
}

if (isMainThread) main()
