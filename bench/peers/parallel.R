# Runs the work of run.lua on R's `parallel`: `Rscript parallel.R WORKERS`.
suppressPackageStartupMessages(library(parallel))

n_workers <- as.integer(commandArgs(trailingOnly = TRUE)[1])
cluster <- NULL

square <- function(x) x^2
nothing <- function(...) NULL
spin <- function(loops) {
  x <- 0.5
  for (i in seq_len(loops)) x <- 3.7 * x * (1 - x)
  x
}
for (name in c("square", "nothing", "spin")) {  # a closure's own environment would travel with it
  f <- get(name)
  environment(f) <- globalenv()
  assign(name, f)
}

now <- function() as.numeric(Sys.time())
timed <- function(f) {
  start <- now()
  result <- f()
  list(took = now() - start, result = result)
}

check <- function(results) {
  results <- unlist(results)
  sum((seq_along(results) %% 1009) * (results %% 10007))
}

private_bytes <- function(pid) {
  lines <- grep("^Private", readLines(sprintf("/proc/%d/smaps_rollup", pid)), value = TRUE)
  1024 * sum(as.numeric(gsub("[^0-9]", "", lines)))
}

squares <- function(map) function(n) {
  xs <- as.numeric(seq_len(n))
  run <- timed(function() map(xs))
  sprintf("%.9f %.0f", run$took, check(run$result))
}

spins <- function(map) function(n, loops) {
  run <- timed(function() map(rep(loops, n)))
  sprintf("%.9f %.17g", run$took, run$result[[n]])
}

commands <- list(
  hello = function() sprintf("R %s.%s, parallel", R.version$major, R.version$minor),
  start = function() {
    sprintf("%.9f", timed(function() {
      cluster <<- makeCluster(n_workers)
      clusterApply(cluster, seq_len(n_workers), nothing)
    })$took)
  },
  memory = function() {
    tryCatch(sprintf("%.0f", mean(sapply(clusterCall(cluster, Sys.getpid), private_bytes))),
             error = function(e) "none")
  },
  squares = squares(function(xs) parLapply(cluster, xs, square)),
  loop = squares(function(xs) lapply(xs, square)),
  apply = function(n) {
    one <- cluster[1]
    sprintf("%.9f", median(sapply(seq_len(n), function(i) {
      timed(function() clusterCall(one, nothing))$took
    })))
  },
  wait = function(n, seconds) {
    sprintf("%.9f", timed(function() clusterApplyLB(cluster, rep(seconds, n), Sys.sleep))$took)
  },
  spin = spins(function(xs) parLapply(cluster, xs, spin)),
  spin_loop = spins(function(xs) lapply(xs, spin))
)

input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) > 0) {
  if (line == "quit") break
  words <- strsplit(line, " ")[[1]]
  f <- commands[[words[1]]]
  cat(if (is.null(f)) "none" else do.call(f, as.list(as.numeric(words[-1]))), "\n", sep = "")
  flush(stdout())
}
if (!is.null(cluster)) stopCluster(cluster)
