import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { fullReference, writeArchive } from '../../../scripts/image/archive.ts'
import { dataEntry } from '../../../scripts/image/tar.ts'

const STAGE = {
  base: 'docker.io/library/node:24',
  files: new Map<string, string>(),
  env: ['NODE_ENV=production'],
  labels: { a: 'b' },
  user: '65532:65532',
  workdir: '/app',
  entrypoint: ['node'],
  cmd: ['/app/x.js'],
}

const blob = (digest: string) => join('blobs/sha256', digest.slice('sha256:'.length))

/** An archive with one file in its layer, unpacked. */
async function unpacked(t: Test, name: string) {
  const dir = t.testdir({ archive: {}, layer: {} })
  const archive = join(dir, 'archive')
  const size = await writeArchive(join(dir, 'out.tar'), name, STAGE, [dataEntry('f', Buffer.from('content'))])
  execFileSync('tar', ['-xf', join(dir, 'out.tar'), '-C', archive])
  const json = (path: string) => JSON.parse(readFileSync(join(archive, path), 'utf8'))
  const [entry] = json('index.json').manifests
  const manifest = json(blob(entry.digest))
  return {
    dir,
    archive,
    json,
    size,
    entry,
    manifest,
    config: json(blob(manifest.config.digest)),
    layer: manifest.layers[0],
  }
}

t.test('an OCI layout whose digests and sizes are right', async t => {
  const { archive, json, entry, manifest, config, layer, size } = await unpacked(t, 'ws-operator:test')
  t.same(json('oci-layout'), { imageLayoutVersion: '1.0.0' })
  for (const { digest, size } of [entry, manifest.config, layer]) {
    const path = join(archive, blob(digest))
    t.equal(`sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}`, digest)
    t.equal(statSync(path).size, size)
  }
  t.same(config.rootfs.diff_ids, [layer.digest])
  t.equal(size, layer.size, 'and the size of the layer is told')
})

t.test('the name is that of containerd, with the tag apart', async t => {
  const { entry } = await unpacked(t, 'localhost:5000/ws-operator:test')
  t.equal(entry.annotations['io.containerd.image.name'], 'localhost:5000/ws-operator:test')
  t.equal(entry.annotations['org.opencontainers.image.ref.name'], 'test')
})

t.test('docker load takes it as well', async t => {
  const { json, manifest, layer } = await unpacked(t, 'ws-operator:test')
  t.same(json('manifest.json'), [
    { Config: blob(manifest.config.digest), RepoTags: ['ws-operator:test'], Layers: [blob(layer.digest)] },
  ])
})

t.test('it runs as the stage says, on Linux and this processor', async t => {
  const { config } = await unpacked(t, 'ws-operator:test')
  t.equal(config.os, 'linux')
  const names = { x64: 'amd64', arm64: 'arm64' } as Partial<Record<string, string>>
  t.equal(config.architecture, names[process.arch] ?? process.arch)
  const { Env, ...rest } = config.config
  t.match(Env[0], /^PATH=.*\/usr\/local\/bin.*\/bin$/)
  t.same(Env.slice(1), STAGE.env)
  const { user: User, workdir: WorkingDir, entrypoint: Entrypoint, cmd: Cmd, labels: Labels } = STAGE
  t.same(rest, { User, WorkingDir, Entrypoint, Cmd, Labels })
})

t.test('the layer holds the files', async t => {
  const { dir, archive, layer } = await unpacked(t, 'ws-operator:test')
  execFileSync('tar', ['-xf', join(archive, blob(layer.digest)), '-C', join(dir, 'layer')])
  t.equal(readFileSync(join(dir, 'layer/f'), 'utf8'), 'content')
})

t.test('names are stored as container runtimes look them up', async t => {
  t.equal(fullReference('ws-operator:1'), 'docker.io/library/ws-operator:1')
  t.equal(fullReference('team/ws-operator:1'), 'docker.io/team/ws-operator:1')
  t.equal(fullReference('registry.example.org/ws-operator:1'), 'registry.example.org/ws-operator:1')
  t.equal(fullReference('localhost:5000/ws-operator:1'), 'localhost:5000/ws-operator:1')
  t.equal(fullReference('localhost/ws-operator:1'), 'localhost/ws-operator:1')
})
