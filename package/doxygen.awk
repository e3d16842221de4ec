# Makes comments of moons.h such that Doxygen takes: "/*" becomes "/**", the first one that of the file, and a heading
# "/* {== Runtimes ===" the name of a group.
NR == 1 && /^\/\*/ { print "/** @file moons.h"; next }
/^\/\* \{== / {
  sub(/^\/\* \{== /, ""); is_closed = sub(/ *=+ *\*\/ *$/, ""); sub(/ *=+ *$/, "")
  print (in_group++ ? "/** @} */\n" : "") "/** @name " $0 "\n** @{" (is_closed ? " */" : "")
  next
}
/^ *\/\*/ && !/^ *\/\*.*\*\/.*[^ ]/ { sub(/\/\*/, "/**") }
/[^ ].*\/\* .*\*\/ *$/ && !/^ *\/\*/ { sub(/\/\* /, "/**< ") }
{ print }
END { if (in_group) print "/** @} */" }
