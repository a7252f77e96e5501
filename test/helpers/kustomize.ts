import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseAllDocuments, stringify } from 'yaml'

const MANIFESTS = join(import.meta.dirname, '../../manifests')
const LIMIT_MS = 20_000

// biome-ignore lint/suspicious/noExplicitAny: manifests are anybody's YAML; what is not there must fail a test, not the compiler
export type Manifest = any

/** Why there is nothing to build with, or false. */
export const noKubectl =
  spawnSync('kubectl', ['version', '--client'], { timeout: LIMIT_MS }).status !== 0 && 'no kubectl to build them with'

/** Components that another one needs before it. */
const NEEDS: Readonly<Record<string, readonly string[]>> = { 'pod-token': ['webhook-auth'] }

/** A component after those that it needs. */
export const withNeeded = (component: string): string[] => [...(NEEDS[component] ?? []), component]

/** Components in an order in which each comes after those that it needs. */
export const inOrder = (components: readonly string[]): string[] => [...new Set(components.flatMap(withNeeded))]

/** What a kustomization may have besides: other images, another namespace, and names below manifests/transformers. */
interface More {
  readonly images?: readonly { name: string; newName?: string; newTag?: string; digest?: string }[]
  readonly transformers?: readonly string[]
  readonly namespace?: string
}

/**
 * A kustomization as a user writes one: a base with components.
 *
 * @param base below manifests/
 * @param components names below manifests/components
 * @returns its folder, and how to remove it
 */
export function overlay(
  base: string,
  components: readonly string[],
  { images = [], transformers = [], namespace }: More = {},
): { folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'ws-operator-overlay-'))
  const path = (...names: string[]) => relative(folder, join(MANIFESTS, ...names))
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [path(base)],
    components: components.map(name => path('components', name)),
    ...(namespace !== undefined && { namespace }),
    images,
    transformers: transformers.map(name => path('transformers', name)),
  }
  writeFileSync(join(folder, 'kustomization.yaml'), stringify(kustomization))
  return { folder, remove: () => rmSync(folder, { recursive: true }) }
}

/** What kustomize makes of a base with components. @throws what it says where it cannot */
export const build = (base: string, ...components: string[]): Manifest[] => buildWith({}, base, ...components)

/** The same with more in the kustomization. @throws what kustomize says where it cannot */
export function buildWith(more: More, base: string, ...components: string[]): Manifest[] {
  const { folder, remove } = overlay(base, components, more)
  try {
    const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', folder], {
      encoding: 'utf8',
      timeout: LIMIT_MS,
    })
    if (status !== 0) throw new Error(stderr)
    return parseAllDocuments(stdout).map(document => document.toJS())
  } finally {
    remove()
  }
}
