# The service as one executable in an image without a shell. Build: docker build -t tiro .
ARG DENO_VERSION=2.9.6

FROM denoland/deno:debian-${DENO_VERSION} AS build
WORKDIR /tiro
# The dependencies first: they change less often than the code.
COPY deno.json deno.lock ./
RUN deno install --frozen
COPY main.ts ./
COPY src src
# For the demo, a subcommand of the same executable: a fake Talk.
COPY tests/fakes tests/fakes
COPY tests/data tests/data
RUN deno task compile && mkdir /empty
# The offline recogniser's runtime and its English model, checked. The cache keeps them when the code changes.
RUN --mount=type=cache,target=/models TIRO_DATA_DIR=/models deno run -A main.ts models download && \
  mkdir -p /usr/local/lib/tiro && cp -r /models/models /models/runtime /usr/local/lib/tiro

# deno needs glibc and libgcc, which `static` and `base` lack.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /tiro/dist/tiro /usr/local/bin/tiro
COPY --from=build /usr/local/lib/tiro /usr/local/lib/tiro
# Further models (`tiro models download`): mount a volume here.
COPY --from=build --chown=65532:65532 /empty /var/lib/tiro
# As an ExApp: AppAPI mounts a volume here, and a new volume takes its owner from this folder.
COPY --from=build --chown=65532:65532 /empty /nc_app_live_transcription_data
# Reachable from outside the container, so it starts only with LT_API_TOKEN or APP_SECRET (or LT_API_OPEN=true). AppAPI's
# APP_HOST and APP_PORT, or HaRP's socket, override these.
ENV HOST=0.0.0.0 PORT=8080
EXPOSE 8080
# Only an ExApp writes to disk, to APP_PERSISTENT_STORAGE, and `tiro models`: the file system may be read-only.
USER nonroot
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
  CMD ["/usr/local/bin/tiro", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/tiro"]
CMD ["serve"]
