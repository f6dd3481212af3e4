# The image: baton, linked statically, and CA roots; docs/image.md.
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION=$(git rev-parse HEAD) -t baton:0.1.0 .
# BASE is a Debian 12; packages and their sources come from the mirrors that its *.sources name.
ARG BASE=debian:12-slim

FROM ${BASE} AS tools
RUN sed -i 's/^Types: deb$/Types: deb deb-src/' /etc/apt/sources.list.d/*.sources \
 && apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
      ca-certificates ccache cmake dpkg-dev g++ libboost-atomic-dev libboost-chrono-dev \
      libboost-date-time-dev libboost-filesystem-dev libboost-random-dev libboost-regex-dev \
      libboost-system-dev libboost-thread-dev libssl-dev libyaml-cpp-dev ninja-build \
      nlohmann-json3-dev zlib1g-dev >/dev/null

# Debian has these two as shared libraries only. Many sources in one go compile in a quarter of the
# time; with more than 20, cpprest's client would meet its listener's macros. Where pkg-config is, cpprest
# asks it for OpenSSL and is told of the shared one.
FROM tools AS libraries
ARG JOBS
ENV CMAKE_BUILD_PARALLEL_LEVEL=${JOBS} CMAKE_GENERATOR=Ninja
ARG CXXFLAGS="-O2 -DNDEBUG -ffunction-sections -fdata-sections"
WORKDIR /libraries
RUN apt-get source -qq cpprest prometheus-cpp
RUN cmake -S cpprest-*/ -B cpprest -DCMAKE_INSTALL_PREFIX=/static -DBUILD_SHARED_LIBS=OFF \
      -DBUILD_TESTS=OFF -DBUILD_SAMPLES=OFF -DWERROR=OFF -DBoost_USE_STATIC_LIBS=ON \
      -DCPPREST_EXCLUDE_WEBSOCKETS=ON -DCPPREST_EXCLUDE_COMPRESSION=ON \
      -DCPPREST_EXPORT_DIR=cmake/cpprestsdk -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=20 \
 && nice cmake --build cpprest --target install
RUN cmake -S prometheus-cpp-*/ -B prometheus-cpp -DCMAKE_INSTALL_PREFIX=/static \
      -DENABLE_PULL=OFF -DENABLE_PUSH=OFF -DENABLE_TESTING=OFF -DENABLE_COMPRESSION=OFF \
      -DUSE_THIRDPARTY_LIBRARIES=OFF -DCMAKE_UNITY_BUILD=ON \
 && nice cmake --build prometheus-cpp --target install

FROM libraries AS build
WORKDIR /baton
COPY CMakeLists.txt CMakePresets.json LICENSE ./
COPY src src
# A room of src/ in one go, whose warnings are the other presets' matter.
RUN cmake --preset release -DBATON_STATIC=ON -DBATON_TESTS=OFF -DCMAKE_PREFIX_PATH=/static \
      -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=0 -DCMAKE_CXX_FLAGS=-w \
 && nice cmake --build --preset release --target baton
# What the image holds: the binary, CA roots; and of every package that the binary was made from, the
# licence and the entry that scanners read. Boost's licence asks for no copy
# beside binaries, and Debian's file of it has 2 MB.
WORKDIR /image
RUN set -eu; build=/baton/build/release; \
    cp $build/baton .; \
    cp --parents -L /etc/ssl/certs/ca-certificates.crt /etc/os-release .; \
    { for library in libc libgcc libstdc++; do g++ -print-file-name=$library.a; done; \
      cd $build; ninja -t commands baton | grep -o '/usr/[^ ]*\.a'; ninja -t deps | grep -o '/usr/.*'; } | \
      xargs realpath -s | sort -u | xargs dpkg -S | cut -d: -f1 | sort -u >/packages; \
    mkdir -p var/lib/dpkg/status.d; \
    for package in ca-certificates $(cat /packages); do \
      dpkg-query -s $package >var/lib/dpkg/status.d/$package; \
      case $package in libboost*) ;; *) cp --parents -L /usr/share/doc/$package/copyright .;; esac; \
    done; \
    for control in /libraries/*.dsc; do \
      name=$(sed -n 's/^Source: //p' $control); mkdir usr/share/doc/$name; \
      cp /libraries/$name-*/debian/copyright usr/share/doc/$name/; \
      { echo "Package: $name"; echo "Status: install ok installed"; \
        sed -n '/^Version:/p' $control; echo "Architecture: $(dpkg --print-architecture)"; \
        echo "Description: linked statically"; } >var/lib/dpkg/status.d/$name; \
    done; \
    mkdir usr/share/doc/baton; cp /baton/LICENSE usr/share/doc/baton/copyright

FROM scratch
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="baton" \
      org.opencontainers.image.description="Leader election sidecar with fencing tokens" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
USER 65532:65532
ENTRYPOINT ["/baton"]
