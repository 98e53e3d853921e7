# How every target of the project is compiled and linked, as one interface target: ember_options.
option(EMBER_TESTS "Build the tests" ON)
option(EMBER_STATIC "Link programs as static-PIE" OFF)
set(EMBER_SANITIZE "" CACHE STRING "Sanitizers to build with: 'address,undefined', 'thread' or empty")
option(EMBER_FUZZ "Build the libFuzzer targets (clang only)" OFF)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(EMBER_CCACHE ccache)
if(EMBER_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${EMBER_CCACHE})
endif()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(EMBER_ARCH x86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(EMBER_ARCH aarch64)
else()
  message(FATAL_ERROR "Ember does not know the architecture ${CMAKE_SYSTEM_PROCESSOR}")
endif()

add_library(ember_options INTERFACE)
target_include_directories(ember_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(ember_options INTERFACE -ffunction-sections -fdata-sections)
target_link_options(ember_options INTERFACE -Wl,--gc-sections)
if(EMBER_STATIC)
  # A static-PIE program relocates itself when it starts, and so has all of its table in memory.
  include(CheckLinkerFlag)
  check_linker_flag(CXX -Wl,-z,pack-relative-relocs EMBER_LINKER_PACKS_RELOCATIONS)
  if(EMBER_LINKER_PACKS_RELOCATIONS)
    set(EMBER_PACKED_RELOCATIONS -Wl,-z,pack-relative-relocs)
  endif()
endif()
target_compile_definitions(ember_options INTERFACE _GNU_SOURCE EMBER_VERSION="${PROJECT_VERSION}")

add_library(ember_warnings INTERFACE)
target_compile_options(ember_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor
  -Wold-style-cast -Wcast-align -Woverloaded-virtual -Wnull-dereference -Wimplicit-fallthrough
  -Werror
  # Designated initialisers leave the rest at their defaults on purpose.
  -Wno-missing-field-initializers
  # GCC 12 reports false null dereferences and dangling pointers through inlined std containers.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-null-dereference>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wno-gnu-statement-expression
    -Wno-missing-designated-field-initializers -Wno-unknown-warning-option>)

if(EMBER_SANITIZE)
  target_compile_options(ember_options INTERFACE -fsanitize=${EMBER_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(ember_options INTERFACE -fsanitize=${EMBER_SANITIZE})
  # GCC 12's checks hide from it that tl::expected's parts are initialised; its manual says as much.
  target_compile_options(ember_warnings INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
if(EMBER_FUZZ)
  target_compile_options(ember_options INTERFACE -fsanitize=fuzzer-no-link,address,undefined
    -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(ember_options INTERFACE -fsanitize=address,undefined)
endif()
