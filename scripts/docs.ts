import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { injectPolicyYaml } from './docs/admission-policy.ts'
import { annotationsPage } from './docs/annotations.ts'
import { balancerPage } from './docs/balancer.ts'
import { configurationPage } from './docs/configuration.ts'
import { crdYaml } from './docs/crd.ts'
import { errorsPage } from './docs/errors.ts'
import { logsPage } from './docs/logs.ts'
import { metricsPage } from './docs/metrics.ts'

/** Generated files: the text of each, by its path below the root of the repository. */
const GENERATED: Readonly<Record<string, () => string | Promise<string>>> = {
  'docs/annotations.md': annotationsPage,
  'docs/balancer.md': balancerPage,
  'docs/configuration.md': configurationPage,
  'docs/errors.md': errorsPage,
  'docs/logs.md': logsPage,
  'docs/metrics.md': metricsPage,
  'manifests/base/crd/websocketbalancers.yaml': crdYaml,
  'manifests/components/admission-policy/inject.yaml': injectPolicyYaml,
}

/** The generated files below `root` that are missing or are not what the code says now, with the text that they should have. */
async function outdated(root: string): Promise<Map<string, string>> {
  const texts = await Promise.all(Object.entries(GENERATED).map(async ([path, text]) => [path, await text()] as const))
  return new Map(texts.filter(([path, text]) => read(join(root, path)) !== text))
}

/** Their paths. */
export const stale = async (root: string): Promise<string[]> => [...(await outdated(root)).keys()]

/** Writes the generated files below `root`; returns the paths of those that changed. */
export async function writeDocs(root: string): Promise<string[]> {
  const changed = await outdated(root)
  for (const [path, text] of changed) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return [...changed.keys()]
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

if (import.meta.main) {
  const root = dirname(import.meta.dirname)
  if (process.argv.includes('--check')) {
    for (const path of await stale(root)) {
      console.error(`${path} is not what the code says: run npm run docs`)
      process.exitCode = 1
    }
  } else for (const path of await writeDocs(root)) console.log(`wrote ${path}`)
}
