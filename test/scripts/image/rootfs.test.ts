import { readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { rootfs, sharedLibraries } from '../../../scripts/image/rootfs.ts'

const onLinux = { skip: process.platform !== 'linux' && 'an image can be packed on Linux only' }

/** The file system of a stage that copies one file. */
function made(t: Test) {
  const root = t.testdir({ dist: { 'x.js': 'program' } })
  const stage = { base: '', env: [], labels: {}, user: '', workdir: '', entrypoint: [], cmd: [] }
  const entries = rootfs({ ...stage, files: new Map([['/app/deep/x.js', 'dist/x.js']]) }, root)
  const find = (path: string) => entries.find(entry => entry.path === path)
  const text = async (path: string) => {
    const entry = find(path)
    return entry?.type === 'file' ? String(await buffer(Readable.from(entry.read()))) : undefined
  }
  return { entries, find, text }
}

t.test('it has this Node, where the entrypoint finds it, with its license', onLinux, async t => {
  const { find, text } = made(t)
  const node = find('usr/local/bin/node')
  t.match(node, { type: 'file', mode: 0o755, size: readFileSync(process.execPath).length })
  t.match(await text('usr/local/LICENSE'), /Node\.js/)
})

t.test('it has every library that Node is linked with, and those of name services', onLinux, async t => {
  const { find } = made(t)
  const libraries = sharedLibraries(process.execPath)
  t.ok(
    libraries.some(path => basename(path).startsWith('ld-linux')),
    'the loader',
  )
  const libc = libraries.find(path => basename(path).startsWith('libc.so')) ?? ''
  t.ok(libraries.includes(join(dirname(libc), 'libnss_dns.so.2')), 'opened later, by name')
  t.strictSame(libraries, [...new Set(libraries)], 'each once')
  for (const library of libraries) {
    const size = readFileSync(realpathSync(library)).length
    t.match(find(library.slice(1)), { type: 'file', mode: 0o755, size }, library)
  }
})

t.test('it has what the stage copies, and who runs it', onLinux, async t => {
  const { text } = made(t)
  t.equal(await text('app/deep/x.js'), 'program')
  t.match(await text('etc/passwd'), /^root:x:0:0:.*\nnonroot:x:65532:65532:/)
  t.match(await text('etc/group'), /^nonroot:x:65532:$/m)
  t.match(await text('etc/nsswitch.conf'), /^hosts: files dns$/m)
})

t.test('each folder comes once, before what is in it; everybody can write to /tmp alone', onLinux, async t => {
  const { entries } = made(t)
  const paths = entries.map(({ path }) => path)
  t.strictSame(paths, [...new Set(paths)])
  for (const [at, path] of paths.entries()) {
    const folder = dirname(path)
    if (folder !== '.') t.ok(paths.indexOf(folder) >= 0 && paths.indexOf(folder) < at, path)
  }
  for (const { type, path, mode } of entries) {
    if (type === 'directory') t.equal(mode, path === 'tmp' ? 0o1777 : 0o755, path)
  }
})

t.test('a file of the stage that is missing is an error', onLinux, async t => {
  const stage = { base: '', env: [], labels: {}, user: '', workdir: '', entrypoint: [], cmd: [] }
  t.throws(() => rootfs({ ...stage, files: new Map([['/app/x.js', 'dist/x.js']]) }, t.testdir()), { code: 'ENOENT' })
})

t.test('elsewhere than on Linux nothing is packed, and that is said', async t => {
  const stage = {
    base: '',
    files: new Map<string, string>(),
    env: [],
    labels: {},
    user: '',
    workdir: '',
    entrypoint: [],
    cmd: [],
  }
  const { platform } = process
  t.teardown(() => Object.defineProperty(process, 'platform', { value: platform }))
  Object.defineProperty(process, 'platform', { value: 'darwin' })
  t.throws(() => rootfs(stage, '/'), /an image cannot be packed on darwin/)
})
