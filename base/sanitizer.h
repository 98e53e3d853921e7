#ifndef EMBER_BASE_SANITIZER_H_
#define EMBER_BASE_SANITIZER_H_

// What the program is instrumented with, as far as it must know.
namespace ember {

// clang tells by __has_feature what GCC tells by macros.
#if defined(__has_feature)
#define EMBER_HAS_FEATURE(feature) __has_feature(feature)
#else
#define EMBER_HAS_FEATURE(feature) 0
#endif

// Holds back signals until the thread calls something that it knows, but for faults.
#if defined(__SANITIZE_THREAD__) || EMBER_HAS_FEATURE(thread_sanitizer)
inline constexpr bool kThreadSanitized = true;
#else
inline constexpr bool kThreadSanitized = false;
#endif

// This one or AddressSanitizer: catches faults by itself, and may hold freed memory for a while.
#if defined(__SANITIZE_ADDRESS__) || EMBER_HAS_FEATURE(address_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = kThreadSanitized;
#endif

#undef EMBER_HAS_FEATURE

}  // namespace ember

#endif  // EMBER_BASE_SANITIZER_H_
