# One image, three programs: /app/hooks.js, /app/sidecar.js and /app/balancer.js.
#
#   docker build -t ws-operator:0.1.0 .
#   docker build -t ws-operator-example-chat:0.1.0 --target ws-operator-example-chat .
#
# The base is pinned, so that the same commit makes the same image: the index of the version for all architectures. docs/base-image.md
# says how to renew it; a mirror of it is given with --build-arg NODE_IMAGE=….
ARG NODE_IMAGE=docker.io/library/node:24.21.0-bookworm-slim@sha256:0e0ff40c39bc087845bfb27465a0df4ea419520094bc35842ff83dd8cbe6f9b6

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build

FROM ${NODE_IMAGE} AS ws-operator-example-chat
WORKDIR /app
COPY --from=build /src/dist/package.json /src/dist/examples/chat.js /src/LICENSE /src/dist/THIRD-PARTY-LICENSES /app/
ENV NODE_ENV=production
USER 65532:65532
ENTRYPOINT ["node"]
CMD ["/app/chat.js"]

# The last stage is what a build without --target makes.
FROM ${NODE_IMAGE} AS ws-operator
LABEL org.opencontainers.image.title="ws-operator"
LABEL org.opencontainers.image.licenses="MIT"
WORKDIR /app
COPY --from=build /src/dist/package.json /src/dist/hooks.js /src/dist/sidecar.js /src/dist/balancer.js /src/LICENSE /src/dist/THIRD-PARTY-LICENSES /app/
ENV NODE_ENV=production
USER 65532:65532
# A small young generation: with Node's 16 MiB a program that has once been busy keeps some 40 MiB for short-lived objects, more
# than thousands of idle connections take. docs/performance.md is measured with it.
ENTRYPOINT ["node", "--max-semi-space-size=4"]
CMD ["/app/sidecar.js"]
