import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeArchive } from '../../scripts/image/archive.ts'
import { sharedLibraries } from '../../scripts/image/rootfs.ts'
import { dataEntry, diskEntry } from '../../scripts/image/tar.ts'
import { loadArchive } from './images.ts'

const MANIFEST = join(import.meta.dirname, '../../manifests/with-metacontroller/deployment.yaml')

/** Why Metacontroller cannot run inside of the cluster, or false. */
export const noMetacontroller =
  !process.env['METACONTROLLER_BIN'] && 'METACONTROLLER_BIN names no Metacontroller, and its image cannot be pulled'

/** Puts the program that METACONTROLLER_BIN names on the nodes, as the image that manifests/with-metacontroller run. */
export async function loadMetacontroller(): Promise<void> {
  const program = process.env['METACONTROLLER_BIN'] ?? ''
  const [, image = ''] = /image: (\S+)/.exec(readFileSync(MANIFEST, 'utf8')) ?? []
  const files = [
    diskEntry('usr/bin/metacontroller', program, 0o755),
    ...sharedLibraries(program).map(library => diskEntry(library.slice(1), library, 0o755)),
    dataEntry('etc/passwd', Buffer.from('nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin\n')),
    dataEntry('etc/nsswitch.conf', Buffer.from('hosts: files dns\n')),
  ]
  const stage = {
    base: '',
    files: new Map(),
    env: [],
    labels: {},
    user: '65532',
    workdir: '/',
    entrypoint: [],
    cmd: [],
  }
  const folder = await mkdtemp(join(tmpdir(), 'metacontroller-image-'))
  try {
    const archive = join(folder, 'metacontroller.tar')
    await writeArchive(archive, image, stage, files)
    await loadArchive(archive)
  } finally {
    await rm(folder, { recursive: true })
  }
}
