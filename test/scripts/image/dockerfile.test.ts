import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readStage } from '../../../scripts/image/dockerfile.ts'
import { EXAMPLE_IMAGE, IMAGE } from '../../../scripts/image.ts'

const root = join(import.meta.dirname, '../../..')
const ours = readFileSync(join(root, 'Dockerfile'), 'utf8')

t.test('the image of ws-operator: three programs, nobody’s user, the sidecar by default', async t => {
  const stage = readStage(ours, IMAGE)
  t.match(stage.base, /^docker\.io\/library\/node:24\.\d+\.\d+-bookworm-slim@sha256:[0-9a-f]{64}$/)
  t.equal(stage.user, '65532:65532', 'a number, so that the kubelet can check runAsNonRoot')
  t.same(stage.entrypoint, ['node', '--max-semi-space-size=4'])
  t.same(stage.cmd, ['/app/sidecar.js'])
  t.same(
    [...stage.files.keys()].sort(),
    ['LICENSE', 'THIRD-PARTY-LICENSES', 'balancer.js', 'hooks.js', 'package.json', 'sidecar.js'].map(
      name => `/app/${name}`,
    ),
  )
  t.equal(stage.files.get('/app/hooks.js'), 'dist/hooks.js')
  t.ok(existsSync(join(root, stage.files.get('/app/LICENSE') ?? '?')))
})

t.test('every stage is built on an image that a digest names', async t => {
  const bases = [...ours.matchAll(/^FROM (\S+)/gm)].map(([, base = '']) => base)
  t.equal(bases.length, 3)
  for (const stage of [IMAGE, EXAMPLE_IMAGE]) t.match(readStage(ours, stage).base, /@sha256:[0-9a-f]{64}$/, stage)
  t.ok(
    bases.every(base => base === '$' + '{NODE_IMAGE}'),
    'the build stage, which the programs come from, too',
  )
})

t.test('the image of the example', async t => {
  const stage = readStage(ours, EXAMPLE_IMAGE)
  for (const file of ['LICENSE', 'THIRD-PARTY-LICENSES']) t.ok(stage.files.has(`/app/${file}`), file)
  t.equal(stage.user, '65532:65532')
  t.ok(stage.files.has(stage.cmd[0] ?? '?'), 'it starts a file that it has')
})

t.test('the last stage is the one that a build without a target makes', async t => {
  t.equal([...ours.matchAll(/^FROM .* AS (\S+)$/gm)].at(-1)?.[1], IMAGE)
})

t.test('instructions', async t => {
  const text = `ARG BASE=example.org/node:1
# a comment
FROM \${BASE} AS build
RUN make
FROM $BASE AS final
COPY --from=build /src/a.js /src/sub/b.js \\
  /app/
COPY --from=build /src/c.js /app/other.js
ENV A=1
LABEL title="a label"
WORKDIR /app
ENTRYPOINT ["node"]
`
  const stage = readStage(text, 'final')
  t.match(stage, { base: 'example.org/node:1', env: ['A=1'], labels: { title: 'a label' }, workdir: '/app', cmd: [] })
  t.same(Object.fromEntries(stage.files), { '/app/a.js': 'a.js', '/app/b.js': 'sub/b.js', '/app/other.js': 'c.js' })
  t.equal(readStage(text, 'final', { BASE: 'mirror/node:2' }).base, 'mirror/node:2', 'a build argument')
  t.throws(() => readStage(text, 'build'), /stage build of the Dockerfile needs a container engine: RUN make/)
  t.throws(() => readStage(text, 'missing'), /no stage named missing/)
  t.throws(() => readStage(text.replace('/src/c.js', '/etc/c'), 'final'), /COPY of something outside \/src\//)
})
