#ifndef EMBER_VIRTIO_VSOCK_LINKED_LIST_H_
#define EMBER_VIRTIO_VSOCK_LINKED_LIST_H_

#include <utility>

namespace ember::virtio {

// A member of what can be in a LinkedList: its place there.
template <typename T>
struct ListPlace {
  T* previous = nullptr;
  T* next = nullptr;
  bool taken = false;
};

// First in, first out, of objects that others own and that keep their place in the list themselves:
// nothing is allocated, and one leaves from anywhere at once. An object leaves before it is
// destroyed, and uses a place for one list only. One thread.
//
//   struct Client { ListPlace<Client> waiting; };
//   LinkedList<Client, &Client::waiting> waiting_clients;
template <typename T, ListPlace<T> T::*kPlace>
class LinkedList {
 public:
  LinkedList() = default;
  LinkedList(const LinkedList&) = delete;
  LinkedList& operator=(const LinkedList&) = delete;

  bool empty() const { return front_ == nullptr; }
  // Null where it is empty.
  T* front() const { return front_; }

  // Leaves it where it is, if it is in the list.
  void PushBack(T& object) {
    ListPlace<T>& place = object.*kPlace;
    if (place.taken) return;
    place = {.previous = back_, .next = nullptr, .taken = true};
    (back_ != nullptr ? (back_->*kPlace).next : front_) = &object;
    back_ = &object;
  }
  // Harmless where it is not in the list.
  void Remove(T& object) {
    const ListPlace<T> place = std::exchange(object.*kPlace, {});
    if (!place.taken) return;
    (place.previous != nullptr ? (place.previous->*kPlace).next : front_) = place.next;
    (place.next != nullptr ? (place.next->*kPlace).previous : back_) = place.previous;
  }

 private:
  T* front_ = nullptr;
  T* back_ = nullptr;
};

}  // namespace ember::virtio

#endif  // EMBER_VIRTIO_VSOCK_LINKED_LIST_H_
