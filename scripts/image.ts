import { readFileSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import packageJson from '../package.json' with { type: 'json' }
import { buildAll } from './build.ts'
import { writeArchive } from './image/archive.ts'
import { readStage } from './image/dockerfile.ts'
import { ENGINES } from './image/engines.ts'
import { rootfs } from './image/rootfs.ts'

const root = dirname(import.meta.dirname)
const PACK = 'pack'

const HELP = `npm run image -- OUT.tar [--tag NAME:TAG] [--example] [--with WAY]

Makes the image of ws-operator (one image, three programs) and saves it as an archive that \`docker load\`, \`podman load\`,
\`kind load image-archive\` and \`ctr images import\` take.

  --tag NAME:TAG  name of the image; without it the name that manifests/ use
  --example       the image of the example chat app instead
  --base IMAGE    build on this image instead of the one that the Dockerfile pins, such as a mirror of it
  --with WAY      ${[...ENGINES.map(({ name }) => name), PACK].join(', ')}; without it the first engine that answers and has the base
                  image builds the Dockerfile. Where there is none, the image is packed from the bundles, this
                  machine's Node and the libraries it needs (Linux only, no root).
`

/** Stages of the Dockerfile that become images, each named as its image. */
export const IMAGE = 'ws-operator'
export const EXAMPLE_IMAGE = 'ws-operator-example-chat'

/**
 * Makes an image archive.
 *
 * @returns the way it took: an engine's name, or `pack`
 * @throws saying why no way, or the one asked for, works
 */
export async function makeImage(options: {
  out: string
  stage: string
  tag: string
  way?: string | undefined
  base?: string | undefined
  say: (line: string) => void
}): Promise<string> {
  const { out, stage, tag, way, say } = options
  const args = { ...(options.base !== undefined && { NODE_IMAGE: options.base }) }
  const settings = readStage(readFileSync(join(root, 'Dockerfile'), 'utf8'), stage, args)
  // An engine refuses to write over an archive.
  rmSync(out, { force: true })
  for (const engine of ENGINES.filter(({ name }) => way === undefined || way === name)) {
    const reason = engine.unusable(settings.base)
    if (reason === undefined) {
      say(`building ${tag} from the Dockerfile with ${engine.name}`)
      engine.build({ root, stage, tag, out, args })
      return engine.name
    }
    say(`${engine.name} ${reason}`)
    if (way !== undefined) throw new Error(`--with ${way}: ${engine.name} ${reason}`)
  }
  if (way !== undefined && way !== PACK) throw new Error(`--with ${way}: not a way to make an image; see --help`)
  say(`packing ${tag} from the bundles and Node ${process.versions.node}, without an engine`)
  await buildAll(join(root, 'dist'))
  await writeArchive(out, tag, settings, rootfs(settings, root))
  return PACK
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      tag: { type: 'string' },
      example: { type: 'boolean' },
      base: { type: 'string' },
      with: { type: 'string' },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  const [out] = positionals
  if (!out || positionals.length > 1) throw new Error('expected one path for the archive; see --help')
  const stage = values.example ? EXAMPLE_IMAGE : IMAGE
  const tag = values.tag ?? `${stage}:${packageJson.version}`
  const say = (line: string) => console.log(`image: ${line}`)
  const way = await makeImage({ out: resolve(out), stage, tag, way: values.with, base: values.base, say })
  say(`wrote ${out}: ${tag}, ${way === PACK ? 'packed' : `built with ${way}`}`)
}

if (import.meta.main) {
  await main().catch((error: Error) => {
    process.stderr.write(`image: ${error.message}\n`)
    process.exitCode = 1
  })
}
