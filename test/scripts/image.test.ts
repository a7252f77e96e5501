import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sharedLibraries } from '../../scripts/image/rootfs.ts'
import { IMAGE, makeImage } from '../../scripts/image.ts'

const root = join(import.meta.dirname, '../..')

t.test('a packed image', { skip: process.platform !== 'linux' && 'an image can be packed on Linux only' }, async t => {
  const dir = t.testdir({ archive: {}, rootfs: {} })
  const out = join(dir, 'image.tar')
  const way = await makeImage({ out, stage: IMAGE, tag: 'ws-operator:test', way: 'pack', say: line => t.comment(line) })
  t.equal(way, 'pack')
  const archive = join(dir, 'archive')
  execFileSync('tar', ['-xf', out, '-C', archive])
  const json = (path: string) => JSON.parse(readFileSync(join(archive, path), 'utf8'))
  const blob = (digest: string) => join('blobs/sha256', digest.slice('sha256:'.length))
  const [entry] = json('index.json').manifests
  const manifest = json(blob(entry.digest))
  const config = json(blob(manifest.config.digest))
  const layer = manifest.layers[0]

  t.test('has the name and the settings that were asked for', async t => {
    t.equal(entry.annotations['io.containerd.image.name'], 'docker.io/library/ws-operator:test')
    t.match(config, {
      os: 'linux',
      config: { User: '65532:65532', Entrypoint: ['node'], Cmd: ['/app/sidecar.js'], WorkingDir: '/app' },
    })
  })

  t.test('has all that Node needs', async t => {
    const rootfs = join(dir, 'rootfs')
    execFileSync('tar', ['-xpf', join(archive, blob(layer.digest)), '-C', rootfs, '--no-same-owner'])
    for (const library of sharedLibraries(process.execPath)) t.ok(statSync(join(rootfs, library)).isFile(), library)
    t.equal(statSync(join(rootfs, 'tmp')).mode & 0o7777, 0o1777)
    t.match(readFileSync(join(rootfs, 'etc/passwd'), 'utf8'), /^nonroot:x:65532:65532:/m)
    t.match(readFileSync(join(rootfs, 'app/LICENSE'), 'utf8'), /MIT/)
    t.match(readFileSync(join(rootfs, 'usr/local/LICENSE'), 'utf8'), /Node\.js/, 'of the Node that is packed')
    t.match(readFileSync(join(rootfs, 'app/THIRD-PARTY-LICENSES'), 'utf8'), /^fastify \d/m)
    if (process.getuid?.() !== 0) return t.comment('not root, so the programs are not run inside')
    for (const program of ['hooks', 'sidecar', 'balancer']) {
      // With an empty environment: tap asks each Node that it starts to load something that is not in there.
      const chroot = ['-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'chroot', '--userspec=65532:65532', rootfs]
      const result = spawnSync('env', [...chroot, '/usr/local/bin/node', `/app/${program}.js`, '--help'], {
        encoding: 'utf8',
      })
      t.match(result, { status: 0, stdout: new RegExp(`^${program}: `) })
    }
  })
})

t.test('the command', async t => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(root, 'scripts/image.ts'), ...args], { encoding: 'utf8' })
  t.match(run('--help'), { status: 0, stdout: /npm run image -- OUT\.tar/ })
  t.match(run(), { status: 1, stderr: /expected one path for the archive/ })
  t.match(run('out.tar', '--with', 'magic'), { status: 1, stderr: /--with magic: not a way to make an image/ })
})
