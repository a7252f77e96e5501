import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { anchors, links } from './markdown.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
/** Links with a scheme lead out of the repository. */
const outside = (target: string) => /^[a-z]+:/i.test(target)
const pages = globSync('**/*.md', { cwd: root, exclude: ['node_modules', '.git', '.tap', 'dist'] })
  .map(path => path.replaceAll('\\', '/'))
  .filter(path => !path.startsWith('.'))
  .concat(globSync('.github/**/*.md', { cwd: root }))
  .sort()

/** What is wrong with a link, if anything. */
function problem(page: string, target: string): string | undefined {
  const [path = '', fragment] = target.split('#')
  const file = path === '' ? page : normalize(join(dirname(page), decodeURI(path)))
  if (file.startsWith('..')) return 'leads out of the repository'
  if (!existsSync(join(root, file))) return 'does not exist'
  if (fragment === undefined) return undefined
  if (statSync(join(root, file)).isDirectory() || !file.endsWith('.md')) return 'has no headings'
  return anchors(read(file)).has(fragment) ? undefined : 'has no such heading'
}

t.test('every relative link leads somewhere, with its anchor', async t => {
  const broken = pages.flatMap(page =>
    links(read(page))
      .filter(({ target }) => !outside(target))
      .flatMap(({ line, target }) => {
        const why = problem(page, target)
        return why === undefined ? [] : [`${page}:${line}: ${target} ${why}`]
      }),
  )
  t.strictSame(broken, [])
  t.ok(pages.length > 40, `${pages.length} pages`)
})

t.test('docs/README.md lists every page of docs/, once', async t => {
  const listed = links(read('docs/README.md'))
    .map(({ target }) => target)
    .filter(target => !outside(target) && !target.startsWith('../'))
    .map(target => `docs/${target}`)
  const all = pages.filter(page => page.startsWith('docs/') && page !== 'docs/README.md')
  t.strictSame([...listed].sort(), all)
})

t.test('pages that comments of the sources name exist', async t => {
  const sources = globSync('{lib,sidecar,balancer,hooks,local,bench,scripts}/**/*.ts', { cwd: root })
  const missing = sources.flatMap(source =>
    [...read(source).matchAll(/\bdocs\/[\w/-]+\.md\b/g)].flatMap(([page]) =>
      existsSync(join(root, page)) ? [] : [`${source}: ${page}`],
    ),
  )
  t.strictSame(missing, [])
})
