#ifndef EMBER_VIRTIO_NET_VIRTIO_NET_UAPI_H_
#define EMBER_VIRTIO_NET_VIRTIO_NET_UAPI_H_

// <linux/virtio_net.h>, which is C: it has a field named `class`, here `class_`. What it includes
// comes first, untouched.
#include <linux/if_ether.h>
#include <linux/types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_types.h>

#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wkeyword-macro"
#endif
#define class class_
#include <linux/virtio_net.h>
#undef class
#ifdef __clang__
#pragma clang diagnostic pop
#endif

#endif  // EMBER_VIRTIO_NET_VIRTIO_NET_UAPI_H_
