add_custom_target(fuzz_targets)  # all of them

# ember_add_fuzz_target(NAME THREAD api|vmm|vcpu|device|worker SOURCES a.cc … [DEPS lib …])
# NAME defines LLVMFuzzerTestOneInput; its corpus is tests/fuzz/corpus/NAME. It takes each input under
# the system call filter of that thread of ember-vmm, whose work it does (tests/fuzz/confinement.h).
# With EMBER_FUZZ it is linked with libFuzzer and CTest (label fuzz) runs it for a few seconds.
# Without, it is linked with a small main that replays the corpus, so every build runs every input (label unit).
function(ember_add_fuzz_target name)
  cmake_parse_arguments(ARG "" "THREAD" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_THREAD MATCHES "^(api|vmm|vcpu|device|worker)$")
    message(FATAL_ERROR "${name}: THREAD \"${ARG_THREAD}\" is none of ember-vmm's")
  endif()
  list(APPEND ARG_SOURCES ${CMAKE_SOURCE_DIR}/tests/fuzz/confined_input.cc)
  set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  if(EMBER_FUZZ)
    add_executable(${name} ${ARG_SOURCES})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_test(NAME ${name}
      COMMAND ${CMAKE_SOURCE_DIR}/scripts/lib/fuzz-once $<TARGET_FILE:${name}> ${corpus})
    set_tests_properties(${name} PROPERTIES LABELS fuzz)
  else()
    add_executable(${name} ${ARG_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cc)
    add_test(NAME ${name} COMMAND ${name} ${corpus})
    set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 300)
  endif()
  target_compile_definitions(${name} PRIVATE EMBER_FUZZ_THREAD="${ARG_THREAD}")
  target_link_libraries(${name} PRIVATE ember_options ember_warnings ember_fuzz_confinement ${ARG_DEPS})
  target_link_options(${name} PRIVATE -Wl,--wrap=LLVMFuzzerTestOneInput)
  add_dependencies(fuzz_targets ${name})
endfunction()
