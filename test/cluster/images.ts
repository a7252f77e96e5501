import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import packageJson from '../../package.json' with { type: 'json' }
import { EXAMPLE_IMAGE, IMAGE, makeImage } from '../../scripts/image.ts'
import { kubectl, run } from './kubectl.ts'

const NEIGHBOUR = join(import.meta.dirname, '../../../shared/cluster/load-image')
/** Set by scripts/test.ts: the folder in which test files of one run leave what later ones need not do again. */
const RUN_FOLDER_VARIABLE = 'WS_OPERATOR_TEST_RUN'

const LOAD_LIMIT_MS = 300_000

/** Makes both images as a user would and puts them on the cluster's nodes; once for all test files of a run. */
export async function loadImages(say: (line: string) => void): Promise<void> {
  const run = process.env[RUN_FOLDER_VARIABLE]
  const mark = run === undefined ? undefined : join(run, 'images-are-loaded')
  if (mark !== undefined && existsSync(mark)) return
  for (const stage of [IMAGE, EXAMPLE_IMAGE]) await loadImage(stage, packageJson.version, say)
  if (mark !== undefined) writeFileSync(mark, '')
}

/** Makes one image with a tag and puts it on the cluster's nodes. @returns its name */
export async function loadImage(stage: string, version: string, say: (line: string) => void): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'ws-operator-images-'))
  try {
    const tag = `${stage}:${version}`
    const archive = join(folder, 'image.tar')
    await makeImage({ out: archive, stage, tag, base: process.env['NODE_IMAGE'], say })
    await loadArchive(archive)
    return tag
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Puts an image archive on the cluster's nodes. */
export async function loadArchive(archive: string): Promise<void> {
  const [program, ...args] = await loader()
  await run(program, [...args, archive], { limitMs: LOAD_LIMIT_MS })
}

/** The command that puts an archive on the nodes; the archive's path comes last. @throws where nobody knows one */
async function loader(): Promise<[string, ...string[]]> {
  const given = process.env['IMAGE_LOAD']
  if (given) return ['sh', '-c', `${given} "$1"`, 'sh']
  const context = (await kubectl(['config', 'current-context'])).trim()
  if (context.startsWith('kind-')) return ['kind', 'load', 'image-archive', '--name', context.slice('kind-'.length)]
  if (context.startsWith('k3d-')) return ['k3d', 'image', 'import', '--cluster', context.slice('k3d-'.length)]
  if (context === 'minikube') return ['minikube', 'image', 'load']
  if (context === 'test' && existsSync(NEIGHBOUR)) return [NEIGHBOUR]
  throw new Error(
    `do not know how to put an image on the nodes of ${context}: set IMAGE_LOAD to a command that takes an archive as its last argument`,
  )
}
