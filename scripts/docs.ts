import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { injectPolicyYaml } from './docs/admission-policy.ts'
import { annotationsPage } from './docs/annotations.ts'
import { balancerPage } from './docs/balancer.ts'
import { configurationPage } from './docs/configuration.ts'
import { crdYaml } from './docs/crd.ts'

/** Generated files: the text of each, by its path below the root of the repository. */
const GENERATED: Readonly<Record<string, () => string>> = {
  'docs/annotations.md': annotationsPage,
  'docs/balancer.md': balancerPage,
  'docs/configuration.md': configurationPage,
  'manifests/base/crd/websocketbalancers.yaml': crdYaml,
  'manifests/components/admission-policy/inject.yaml': injectPolicyYaml,
}

/** The generated files below `root` that are missing or are not what the code says now. */
export const stale = (root: string): string[] =>
  Object.entries(GENERATED).flatMap(([path, text]) => (read(join(root, path)) === text() ? [] : [path]))

/** Writes the generated files below `root`; returns the paths of those that changed. */
export function writeDocs(root: string): string[] {
  const changed = stale(root)
  for (const path of changed) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), GENERATED[path]!())
  }
  return changed
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
    for (const path of stale(root)) {
      console.error(`${path} is not what the code says: run npm run docs`)
      process.exitCode = 1
    }
  } else for (const path of writeDocs(root)) console.log(`wrote ${path}`)
}
