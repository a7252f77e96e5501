import { existsSync, globSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import t from 'tap'
import { hasLogic } from './helpers/logic.ts'

const root = join(import.meta.dirname, '..')

// Coverage knows only files that some test has loaded; so every source is loaded here, and none is forgotten.
t.test('every source file can be loaded, and loading starts nothing', async t => {
  const files = globSync('{hooks,sidecar,balancer,lib,local,scripts}/**/*.ts', { cwd: root }).sort()
  t.ok(files.length > 20, `${files.length} files`)
  const running = () =>
    process
      .getActiveResourcesInfo()
      .filter(kind => /Server|Timeout|Process|Worker/.test(kind))
      .sort()
  const before = running()
  for (const file of files) {
    const module = (await import(join(root, file))) as object
    t.type(module, 'object', file)
  }
  t.same(running(), before, 'no server, timer or process')
  t.equal(process.exitCode ?? 0, 0)
})

const testOf = (source: string) => `test/${source.slice(0, -extname(source).length)}.test.ts`

// A source that only declares types and constants promises nothing of its own. The list may only become shorter.
t.test('each source with code has a test of its name', async t => {
  const exists = (file: string) => existsSync(join(root, file))
  const read = (file: string) => readFileSync(join(root, file), 'utf8')
  const untested = globSync('{hooks,sidecar,balancer,lib,local,scripts,examples}/**/*.{ts,mjs,js}', { cwd: root })
    .filter(source => !exists(testOf(source)) && hasLogic(read(source), source.endsWith('.ts') ? 'ts' : 'js'))
    .sort()
  const listed = JSON.parse(read('test/untested-sources.json')) as string[]
  t.strictSame(
    untested.filter(source => !listed.includes(source)),
    [],
    'sources without a test: write one at test/<same path>.test.ts',
  )
  t.strictSame(
    listed.filter(source => !untested.includes(source)),
    [],
    'listed sources that have a test now, or are gone: take them off test/untested-sources.json',
  )
  t.strictSame(listed, [...listed].sort(), 'the list is sorted')
})

const SOURCES: [string, string, boolean][] = [
  ['types', "import type { A } from './a.ts'\nexport interface B extends A { f(): void }", false],
  ['constants', "export const A = 'f() => {}'\nexport const B = { a: [1, -2], A } as const", false],
  ['a template of constants', `import { A } from './a.ts'\nexport const B = \`\${A}/if (x)\``, false],
  ['a set of constants', "const A = ['a']\nexport const B: ReadonlySet<string> = new Set(A)", false],
  ['a regular expression', 'export const A = /["(]f()/\nexport const B = 1', false],
  ['what others export', "export { f } from './f.ts'\nexport * from './g.ts'", false],
  ['a comment', '// f() => {}\nexport const A = 1 /* function */', false],
  ['a function', 'export function f() { return 1 }', true],
  ['an arrow', 'export const f = (a: number) => a', true],
  ['a class', 'export class A { b = 1 }', true],
  ['a method', 'export const a = { f(): number { return 1 } }', true],
  ['a call', "import { f } from './f.ts'\nexport const A = f('a')", true],
  ['a call after a literal with quotes', 'const A = /"/\nexport const B = A.test("x")', true],
  ['a call in a template', `export const A = \`a\${f()}\``, true],
  ['a call in a set', 'export const A = new Set(f())', true],
  ['a statement', 'export let a = 1\nif (a) a = 2', true],
  ['a dynamic import', "export const a = import('./a.ts')", true],
]

t.test('code is told from types and constants', async t => {
  for (const [what, source, expected] of SOURCES) t.equal(hasLogic(source, 'ts'), expected, what)
})
