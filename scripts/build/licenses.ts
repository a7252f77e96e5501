import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Metafile } from 'esbuild'

/** Name of the file with all of them, beside the bundles. */
export const LICENSES_FILE = 'THIRD-PARTY-LICENSES'

/** Texts for packages that name a license and come without its text: `<name>@<version>.txt`, `/` as `+`. */
const SUPPLEMENTS = join(import.meta.dirname, 'licenses')

/** Files of a package that have to go with what is made of it; Apache-2.0 §4 asks for NOTICE too. */
const LEGAL = /^(?:licen[cs]e|copying|unlicense|notice)(?:[.-].*)?$/i

/** A package, part of which is in a bundle. */
export interface BundledPackage {
  readonly name: string
  readonly version: string
  /** SPDX expression, as the package says it. */
  readonly license: string
  /** Every legal text of it; empty where it has none. */
  readonly texts: readonly string[]
  /** Bundles that have something of it. */
  readonly bundles: readonly string[]
}

/**
 * The packages of which something is left in a bundle, sorted by name and version. What was resolved and then dropped is not among them.
 *
 * @param root folder that the paths in their metafiles start at
 */
export function bundledPackages(
  bundles: readonly { readonly name: string; readonly metafile: Pick<Metafile, 'outputs'> }[],
  root: string,
): BundledPackage[] {
  const found = new Map<string, BundledPackage & { bundles: string[] }>()
  for (const { name: bundle, metafile } of bundles) {
    for (const folder of foldersOf(metafile.outputs)) {
      const read = readPackage(resolve(root, folder))
      const key = `${read.name}@${read.version}`
      const known = found.get(key) ?? { ...read, bundles: [] }
      if (!known.bundles.includes(bundle)) known.bundles.push(bundle)
      found.set(key, known)
    }
  }
  return [...found.entries()].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, entry]) => entry)
}

function foldersOf(outputs: Metafile['outputs']): Set<string> {
  const folders = new Set<string>()
  for (const { inputs } of Object.values(outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0]
      if (folder !== undefined && bytesInOutput > 0) folders.add(folder)
    }
  }
  return folders
}

function readPackage(folder: string): Omit<BundledPackage, 'bundles'> {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    name: string
    version: string
    license?: string
  }
  const files = readdirSync(folder).filter(file => LEGAL.test(file))
  const texts = files.sort().map(file => readFileSync(join(folder, file), 'utf8').trim())
  return { name, version, license: license ?? 'unknown', texts: texts.length > 0 ? texts : supplement(name, version) }
}

function supplement(name: string, version: string): string[] {
  const file = `${name.replace('/', '+')}@${version}.txt`
  return readdirSync(SUPPLEMENTS).includes(file) ? [readFileSync(join(SUPPLEMENTS, file), 'utf8').trim()] : []
}

const RULE = '='.repeat(80)

/**
 * The text that has to go with the bundles.
 *
 * @throws naming the packages without a license or without its text: what is made of them may not be passed on
 */
export function renderLicenses(packages: readonly BundledPackage[]): string {
  const missing = packages.filter(({ license, texts }) => texts.length === 0 || license === 'unknown')
  if (missing.length > 0) {
    const names = missing.map(({ name, version, license }) => `${name}@${version} (${license})`).join(', ')
    throw new Error(
      `bundled without the text of their license: ${names}. Find out what it is, and add it as scripts/build/licenses/<name>@<version>.txt`,
    )
  }
  const parts = packages.map(
    ({ name, version, license, texts, bundles }) =>
      `${RULE}\n${name} ${version}\nLicense: ${license}\nIn: ${bundles.join(', ')}\n\n${texts.join('\n\n')}\n`,
  )
  return `The programs in this folder have parts of the packages below, each under its own license.\n\n${parts.join('\n')}`
}
