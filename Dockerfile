# Two stages: one that builds, one that runs. The image has no PostgreSQL inside: give it DATABASE_URL.
FROM rust:1.95-slim-trixie AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY src src
COPY migrations migrations
COPY openapi openapi
# The pages of the documentation are in the program.
COPY README.md README.md
COPY docs docs
COPY clients/typescript/README.md clients/typescript/README.md
RUN cargo build --release --locked --package kakeuri

FROM debian:trixie-slim
# curl is for the health checks.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --user-group --create-home --home-dir /var/lib/kakeuri kakeuri
COPY --from=build /build/target/release/kakeuri /usr/local/bin/kakeuri
USER kakeuri
WORKDIR /var/lib/kakeuri
ENV KAKEURI_LISTEN=0.0.0.0:8080 KAKEURI_DATA_DIR=/var/lib/kakeuri/data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["curl", "-fsS", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["kakeuri"]
CMD ["serve"]
