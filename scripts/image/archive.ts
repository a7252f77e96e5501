import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Stage } from './dockerfile.ts'
import { dataEntry, type TarEntry, tar } from './tar.ts'

const MEDIA = 'application/vnd.oci.image'
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm: 'arm', arm64: 'arm64' }

/**
 * Writes an image with one layer as an archive: an OCI image layout (image-spec 1.0), with docker's manifest.json beside it, so that
 * `docker load`, `podman load`, `ctr images import` and `kind load image-archive` all take it.
 *
 * @param name name and tag, for example `ws-operator:0.1.0`
 * @returns size of the image's layer in bytes
 */
export async function writeArchive(
  out: string,
  name: string,
  stage: Stage,
  files: readonly TarEntry[],
): Promise<number> {
  const layer = await measure(files)
  const config = blob({
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: 'linux',
    config: {
      Env: [PATH, ...stage.env],
      User: stage.user,
      WorkingDir: stage.workdir,
      Entrypoint: stage.entrypoint,
      Cmd: stage.cmd,
      Labels: stage.labels,
    },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
    history: [{ created_by: 'npm run image' }],
  })
  const manifest = blob({
    schemaVersion: 2,
    mediaType: `${MEDIA}.manifest.v1+json`,
    config: { mediaType: `${MEDIA}.config.v1+json`, digest: config.digest, size: config.data.length },
    layers: [{ mediaType: `${MEDIA}.layer.v1.tar`, digest: layer.digest, size: layer.size }],
  })
  const reference = fullReference(name)
  const index = blob({
    schemaVersion: 2,
    mediaType: `${MEDIA}.index.v1+json`,
    manifests: [
      {
        mediaType: `${MEDIA}.manifest.v1+json`,
        digest: manifest.digest,
        size: manifest.data.length,
        annotations: {
          'io.containerd.image.name': reference,
          'org.opencontainers.image.ref.name': reference.slice(reference.lastIndexOf(':') + 1),
        },
      },
    ],
  })
  const docker = blob([{ Config: blobPath(config.digest), RepoTags: [name], Layers: [blobPath(layer.digest)] }])
  const entries: TarEntry[] = [
    dataEntry('oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')),
    dataEntry('index.json', index.data),
    dataEntry('manifest.json', docker.data),
    dataEntry(blobPath(config.digest), config.data),
    dataEntry(blobPath(manifest.digest), manifest.data),
    { type: 'file', path: blobPath(layer.digest), mode: 0o644, size: layer.size, read: () => tar(files) },
  ]
  await pipeline(Readable.from(tar(entries)), createWriteStream(out))
  return layer.size
}

/** The name as container runtimes store it: with a registry and a folder where it has none. */
export function fullReference(name: string): string {
  const [first = ''] = name.split('/')
  if (name.includes('/') && /[.:]|^localhost$/.test(first)) return name
  return name.includes('/') ? `docker.io/${name}` : `docker.io/library/${name}`
}

interface Measured {
  readonly digest: string
  readonly size: number
}

/** The layer is written twice, first only to learn its digest, because its file in the archive is named by that. */
async function measure(files: readonly TarEntry[]): Promise<Measured> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of tar(files)) {
    hash.update(chunk)
    size += chunk.byteLength
  }
  return { digest: `sha256:${hash.digest('hex')}`, size }
}

function blob(value: unknown): { data: Buffer; digest: string } {
  const data = Buffer.from(JSON.stringify(value))
  return { data, digest: `sha256:${createHash('sha256').update(data).digest('hex')}` }
}

function blobPath(digest: string): string {
  return `blobs/sha256/${digest.slice('sha256:'.length)}`
}
