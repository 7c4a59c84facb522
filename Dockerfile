# One image for every role: docker build -t trunkline .
# The role is the command: serve (the default), api, worker, scheduler, migrate, check ...
# The sample PBX is an image of its own: docker build -t trunkline-demo --target demo .

FROM golang:1.26-bookworm AS source
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .

FROM source AS build-demo
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata,nomsgpack -ldflags='-s -w' -o /out/trunkline-demo ./cmd/trunkline-demo

FROM source AS build
# timetzdata puts the time zones into the program: exports are cut by their domain's zone. nomsgpack leaves
# out Gin's MessagePack, which nothing here speaks.
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata,nomsgpack -ldflags='-s -w' -o /out/trunkline ./cmd/trunkline

FROM debian:bookworm-slim AS runtime
RUN groupadd --gid 10001 trunkline \
	&& useradd --uid 10001 --gid trunkline --no-create-home --home-dir /var/lib/trunkline --shell /usr/sbin/nologin trunkline

FROM runtime AS demo
COPY --from=build-demo /out/trunkline-demo /usr/local/bin/trunkline-demo
USER trunkline
ENTRYPOINT ["/usr/local/bin/trunkline-demo"]

FROM runtime
LABEL org.opencontainers.image.title="Trunkline" \
	org.opencontainers.image.description="The programmable front door of a FusionPBX: gateways and CDR exports over HTTP, as jobs that do not get lost"
RUN install -d -o trunkline -g trunkline -m 750 /etc/trunkline /var/lib/trunkline /var/lib/trunkline/exports
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/trunkline /usr/local/bin/trunkline
USER trunkline
# Another role's container asks for its own: trunkline health worker, trunkline health scheduler.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["/usr/local/bin/trunkline", "health"]
EXPOSE 8090
ENTRYPOINT ["/usr/local/bin/trunkline"]
CMD ["serve"]
