# syntax=docker/dockerfile:1
# The server with its page, in three stages: everything is installed and built in the first, what runs is installed in the
# second, and only that is in the last. The result needs a database (DATABASE_URL) or a volume at /data.

FROM node:24-bookworm-slim AS build
WORKDIR /parley
# Prisma wants to fetch a schema engine that is not needed: any file that exists keeps it from trying.
ENV PRISMA_SCHEMA_ENGINE_BINARY=/bin/true CHECKPOINT_DISABLE=1
COPY . .
# Not `npm ci`: the lock file lists the binaries of the machine that it was made on (scripts/lib/packages.mjs).
RUN npm install --no-save --include=dev --no-audit --no-fund \
 && npm exec --workspace server -- prisma generate \
 && NODE_ENV=production npm run build --workspace apps/web

FROM node:24-bookworm-slim AS runtime
WORKDIR /parley
ENV PRISMA_SCHEMA_ENGINE_BINARY=/bin/true CHECKPOINT_DISABLE=1
COPY package.json package-lock.json .npmrc ./
COPY packages/protocol/package.json packages/protocol/
COPY server/package.json server/
# What the server runs on, and no other package of the work tree. Prisma's command line made the client in the stage
# before; left out with it goes half of everything. The client brings a query compiler for each kind of database.
RUN npm pkg delete dependencies.prisma --workspace server \
 && npm install --no-save --omit=dev --omit=peer --no-audit --no-fund --workspace server --workspace packages/protocol \
 && rm -rf node_modules/typescript node_modules/@typescript node_modules/.bin \
 && find node_modules/@prisma/client/runtime \
      \( -name '*mysql*' -o -name '*sqlite*' -o -name '*sqlserver*' -o -name '*cockroachdb*' \) -delete \
 && find node_modules server -name '*.map' -path '*node_modules*' -delete

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data
WORKDIR /parley
COPY --from=runtime /parley ./
COPY package.json LICENSE ./
COPY packages/protocol packages/protocol
COPY server server
COPY --from=build /parley/server/prisma/generated server/prisma/generated
COPY --from=build /parley/apps/web/dist apps/web/dist
# The image's own user, who owns nothing but the data.
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 3000
# Alive is enough here: whether to send requests is for the balancer to ask (/health/ready).
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/health/live').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Node itself is process 1 and takes SIGTERM; the server ends in order within 10 s.
STOPSIGNAL SIGTERM
# Node's flags: scripts/lib/server-flags.mjs says why.
CMD ["node", "--v8-pool-size=1", "--max-semi-space-size=32", "--no-allocation-site-pretenuring", "server/src/main.ts"]
