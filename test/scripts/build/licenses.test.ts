import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import t from 'tap'
import { bundledPackages, LICENSES_FILE, renderLicenses } from '../../../scripts/build/licenses.ts'
import { buildAll } from '../../../scripts/build.ts'

const root = join(import.meta.dirname, '../../..')

const input = (bytesInOutput: number) => ({ bytesInOutput })
const output = (inputs: Record<string, { bytesInOutput: number }>) => ({
  bytes: 1,
  imports: [],
  exports: [],
  inputs,
})

/** The package that a file is part of: the nearest one above it that has a name and a version. */
function packageOf(file: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      if (name && version) return `${name} ${version}`
    } catch {
      // Not every folder has one.
    }
  }
  return ''
}

t.test('every package of which a bundle has something is named, with its license and the text of it', async t => {
  const out = join(t.testdir(), 'out')
  const bundles = await buildAll(out)
  const text = readFileSync(join(out, LICENSES_FILE), 'utf8')
  const used = new Set(
    bundles.flatMap(({ metafile }) =>
      Object.values(metafile.outputs).flatMap(({ inputs }) =>
        Object.entries(inputs)
          .filter(([path, { bytesInOutput }]) => path.includes('node_modules/') && bytesInOutput > 0)
          .map(([path]) => packageOf(resolve(root, path))),
      ),
    ),
  )
  t.ok(used.size > 40, `${used.size} packages`)
  const sections = new Map(
    text
      .split(/^={80}\n/m)
      .slice(1)
      .map(section => [section.slice(0, section.indexOf('\n')), section]),
  )
  t.strictSame([...sections.keys()].sort(), [...used].sort(), 'they, and no others')
  for (const [name, section] of sections) {
    t.match(section, /^License: \S/m, name)
    t.match(section, /^In: \S+\.js/m, name)
    t.match(section, /copyright/i, name)
    t.match(section, /permission|redistribution|Apache License/i, name)
  }
})

t.test('a package counts where something of it is left in a bundle, once for each version', async t => {
  const folder = (name: string, version: string, more = {}) => ({
    'package.json': JSON.stringify({ name, version, license: 'MIT' }),
    LICENSE: `text of ${name} ${version}`,
    ...more,
  })
  const dir = t.testdir({
    node_modules: {
      '@team': { a: folder('@team/a', '1.0.0', { 'NOTICE.txt': 'a notice', 'licenses.js': 'no text' }) },
      b: folder('b', '2.0.0', { node_modules: { c: folder('c', '1.0.0') } }),
      c: folder('c', '2.0.0'),
      dropped: folder('dropped', '1.0.0'),
    },
  })
  const one = {
    'lib/own.ts': input(10),
    'node_modules/@team/a/lib/index.js': input(10),
    'node_modules/b/node_modules/c/index.js': input(10),
    'node_modules/dropped/index.js': input(0),
  }
  const other = { 'node_modules/c/index.js': input(1), 'node_modules/@team/a/x.js': input(1) }
  const packages = bundledPackages(
    [
      { name: 'one.js', metafile: { outputs: { 'one.js': output(one) } } },
      { name: 'other.js', metafile: { outputs: { 'other.js': output(other) } } },
    ],
    dir,
  )
  t.strictSame(
    packages.map(({ name, version, bundles, texts }) => [name, version, bundles, texts]),
    [
      ['@team/a', '1.0.0', ['one.js', 'other.js'], ['text of @team/a 1.0.0', 'a notice']],
      ['c', '1.0.0', ['one.js'], ['text of c 1.0.0']],
      ['c', '2.0.0', ['other.js'], ['text of c 2.0.0']],
    ],
  )
})

t.test('a package without a license, or without its text, ends the build and is named', async t => {
  const dir = t.testdir({
    node_modules: {
      bare: { 'package.json': JSON.stringify({ name: 'bare', version: '1.0.0', license: 'MIT' }) },
      silent: { 'package.json': JSON.stringify({ name: 'silent', version: '2.0.0' }), LICENSE: 'some text' },
    },
  })
  const inputs = { 'node_modules/bare/index.js': input(1), 'node_modules/silent/index.js': input(1) }
  const packages = bundledPackages([{ name: 'one.js', metafile: { outputs: { 'one.js': output(inputs) } } }], dir)
  t.throws(() => renderLicenses(packages), {
    message: /bundled without the text of their license: bare@1\.0\.0 \(MIT\), silent@2\.0\.0 \(unknown\)\. .*add it/,
  })
})
