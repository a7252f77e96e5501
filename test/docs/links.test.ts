import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const pages = globSync('**/*.md', { cwd: root, exclude: path => /node_modules|\.tap|^dist/.test(path) })
const read = (path: string) => readFileSync(join(root, path), 'utf8')

/** Anchors of a page, as GitHub makes them. */
const anchors = (path: string) =>
  [...read(path).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

t.test('links between pages have a target, and anchors a heading', async t => {
  t.ok(pages.length > 40, `${pages.length} pages`)
  const broken = pages.flatMap(page =>
    [...read(page).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].flatMap(([, target = '']) => {
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : join(dirname(page), path)
      if (!existsSync(join(root, file))) return [`${page}: ${target}`]
      if (anchor === undefined || statSync(join(root, file)).isDirectory()) return []
      return anchors(file).includes(anchor) ? [] : [`${page}: ${target}`]
    }),
  )
  t.strictSame(broken, [])
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
