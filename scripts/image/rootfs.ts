import { execFileSync } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import type { Stage } from './dockerfile.ts'
import { dataEntry, diskEntry, type TarEntry } from './tar.ts'

/** Libraries that the C library opens by name while it runs, so that `ldd` does not show them: name services. */
const OPENED_LATER = ['libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2']

const NONROOT = 'nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin\n'

/**
 * The least file system that runs a stage's program: Node (the one that runs this), the shared libraries it is linked with, the
 * files that name users and name services, and what the stage copies.
 *
 * @param root folder of the repository
 * @throws where this is not Linux or a file of the stage is missing
 */
export function rootfs(stage: Stage, root: string): TarEntry[] {
  if (process.platform !== 'linux') {
    throw new Error(
      `an image cannot be packed on ${process.platform}: its Node must be one for Linux; use a container engine`,
    )
  }
  const node = realpathSync(process.execPath)
  const files: TarEntry[] = [
    diskEntry('usr/local/bin/node', node, 0o755),
    ...sharedLibraries(node).map(library => diskEntry(library.slice(1), realpathSync(library), 0o755)),
    dataEntry('etc/passwd', Buffer.from(`root:x:0:0:root:/root:/sbin/nologin\n${NONROOT}`)),
    dataEntry('etc/group', Buffer.from('root:x:0:\nnonroot:x:65532:\n')),
    dataEntry('etc/nsswitch.conf', Buffer.from('passwd: files\nhosts: files dns\n')),
    // Where the official image has it: Node's own license, and those of all that is built into it.
    ...licenseOf(node).map(license => diskEntry('usr/local/LICENSE', license)),
    ...[...stage.files].map(([target, source]) => diskEntry(target.slice(1), join(root, source))),
  ]
  return [...folders(files), { type: 'directory', path: 'tmp', mode: 0o1777 }, ...files]
}

/** The license of a Node, if it is where its archives have it. */
function licenseOf(node: string): string[] {
  const path = join(dirname(dirname(node)), 'LICENSE')
  return existsSync(path) ? [path] : []
}

/** Paths of the shared libraries a program needs, its loader among them; none where it is linked statically. */
export function sharedLibraries(program: string): string[] {
  const listed = execFileSync('ldd', [program], { encoding: 'utf8' })
  const needed = [...listed.matchAll(/(\/\S+) \(0x[0-9a-f]+\)/g)].map(([, path]) => path ?? '')
  const libc = needed.find(path => posix.basename(path).startsWith('libc.so'))
  const opened = libc ? OPENED_LATER.map(name => posix.join(dirname(libc), name)).filter(path => existsSync(path)) : []
  return [...new Set([...needed, ...opened])]
}

/** The folders above the files, outer ones first. */
function folders(files: readonly TarEntry[]): TarEntry[] {
  const paths = new Set<string>()
  for (const { path } of files) {
    for (let folder = posix.dirname(path); folder !== '.'; folder = posix.dirname(folder)) paths.add(folder)
  }
  return [...paths].sort().map(path => ({ type: 'directory', path, mode: 0o755 }))
}
