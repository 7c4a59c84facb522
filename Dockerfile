# One image for every role: docker build -t trunkline .
# The role is the command: serve (the default), api, worker, scheduler, migrate, check ...

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# timetzdata puts the time zones into the program: exports are cut by their domain's zone.
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags timetzdata -ldflags='-s -w' -o /out/trunkline ./cmd/trunkline

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Trunkline" \
	org.opencontainers.image.description="The programmable front door of a FusionPBX: gateways and CDR exports over HTTP, as jobs that nothing loses"
RUN groupadd --gid 10001 trunkline \
	&& useradd --uid 10001 --gid trunkline --no-create-home --home-dir /var/lib/trunkline --shell /usr/sbin/nologin trunkline \
	&& install -d -o trunkline -g trunkline -m 750 /etc/trunkline /var/lib/trunkline /var/lib/trunkline/exports
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/trunkline /usr/local/bin/trunkline
USER trunkline
# Another role's container asks for its own: trunkline health worker, trunkline health scheduler.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["/usr/local/bin/trunkline", "health"]
EXPOSE 8090
ENTRYPOINT ["/usr/local/bin/trunkline"]
CMD ["serve"]
