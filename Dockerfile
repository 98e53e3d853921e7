# Two stages: the first builds on Debian 12, the second holds the static programs and nothing else.
#   docker build -t ember .
#   docker run --device /dev/kvm -v "$PWD:/vm" ember --api-sock /vm/ember.sock
FROM debian:12 AS build
WORKDIR /src
COPY scripts/packages scripts/install-packages scripts/
RUN scripts/install-packages
COPY . .
RUN cmake --preset release -DEMBER_TESTS=OFF && cmake --build build/release \
    && cmake --install build/release --prefix /out --strip

FROM scratch
COPY --from=build /out/bin/ /
ENTRYPOINT ["/ember-vmm"]
