# The image of walletd: one static binary on nothing, run by a user without a
# name. Commands are in their exec form, so BUILDER needs a Go toolchain on its
# PATH and no shell; with git it stamps the version from the checkout.
ARG BUILDER=golang:1.26

FROM ${BUILDER} AS build
# runtimesecret wipes what handled keys from registers, stack and heap (Go's runtime/secret).
ARG GOEXPERIMENT=runtimesecret
ENV CGO_ENABLED=0 GOEXPERIMENT=${GOEXPERIMENT} GOTOOLCHAIN=local
# WORKDIR makes the empty directory that becomes /data below.
WORKDIR /out/data
WORKDIR /src
COPY . .
RUN ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", "/out/walletd", "./cmd/walletd"]

FROM scratch
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build /out/walletd /walletd
# Go overwrites each object that it frees: what passed through libraries does not stay.
ENV GODEBUG=clobberfree=1
# Where backups that do not fit into memory wait, sealed, if the store is PostgreSQL: there is no /tmp.
ENV TMPDIR=/data
USER 65532:65532
VOLUME /data
EXPOSE 8443
# It asks on loopback; with TLS set WALLETD_URL to https://127.0.0.1:PORT.
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/walletd", "health"]
ENTRYPOINT ["/walletd"]
# Loopback, and locked until somebody unlocks it. deploy/ shows how to open it to others.
CMD ["serve", "--data", "/data/walletd"]
