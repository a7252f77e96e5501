import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '..')
const ROOMS = ['lib', 'hooks', 'sidecar', 'balancer', 'local', 'bench', 'scripts']
/** Files in a folder, its README.md and its folders apart. */
const MAX_FILES = 12

/** Rooms of lib/ from the ground up: each may import those before it. */
const LEVELS = [
  ['lib/service'],
  ['lib/routing'],
  ['lib/websocket'],
  ['lib/bridge'],
  ['lib/proxy', 'lib/rehome', 'lib/session'],
  ['lib/settings'],
]

/** What runs our programs, and is no part of them. */
const TOOLS = new Set(['bench', 'local', 'scripts'])

const files = globSync(`{${ROOMS.join(',')}}/**/*`, { cwd: root, withFileTypes: true })
  .filter(entry => entry.isFile())
  .map(entry => relative(root, join(entry.parentPath, entry.name)))
  .sort()
const sources = files.filter(file => /\.(ts|mjs|js)$/.test(file))

/** Relative imports of a source, of types too, as paths from the root. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const specifiers = [...text.matchAll(/^(?:import|export|\})[^'\n]*'(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm)]
  return specifiers.map(([, from, dynamic]) => normalize(join(dirname(file), from ?? dynamic ?? '')))
}

const imports = new Map(sources.map(file => [file, importsOf(file)]))

const roomOf = (file: string): string =>
  file
    .split('/')
    .slice(0, file.startsWith('lib/') ? 2 : 1)
    .join('/')

function mayImport(from: string, to: string): boolean {
  if (from === to) return true
  const level = (room: string) => LEVELS.findIndex(rooms => rooms.includes(room))
  if (from.startsWith('lib/')) return level(to) >= 0 && level(to) < level(from)
  return to.startsWith('lib/') || TOOLS.has(from)
}

/** A circle of imports through these files, the first one again at its end; `undefined` if there is none. */
function findCircle(): string[] | undefined {
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return undefined
    path.push(file)
    for (const next of imports.get(file) ?? []) {
      const circle = visit(next)
      if (circle) return circle
    }
    path.pop()
    done.add(file)
    return undefined
  }
  for (const file of sources) {
    const circle = visit(file)
    if (circle) return circle
  }
  return undefined
}

t.test('imports are found', async t => {
  t.ok(sources.length > 200, `${sources.length} sources`)
  t.ok([...imports.values()].flat().length > 1000)
  const outside = [...imports].flatMap(([file, all]) => all.filter(to => !imports.has(to)).map(to => `${file} → ${to}`))
  t.ok(
    outside.every(line => line.endsWith(' → package.json')),
    `${outside}`,
  )
})

t.test('imports point one way', async t => {
  const wrong = [...imports].flatMap(([file, all]) =>
    all.filter(to => imports.has(to) && !mayImport(roomOf(file), roomOf(to))).map(to => `${file} → ${to}`),
  )
  t.strictSame(wrong, [])
})

t.test('there is no circle of imports, not of types either', async t => {
  t.equal(findCircle()?.join(' → '), undefined)
})

t.test('each folder is small, and says what it is', async t => {
  const folders = new Map<string, string[]>()
  for (const file of files) folders.set(dirname(file), [...(folders.get(dirname(file)) ?? []), file])
  for (const room of ROOMS) if (room !== 'lib') t.ok(folders.has(room), room)
  const names = [...folders].filter(([folder]) => folder !== 'lib')
  const large = names.filter(([, of]) => of.filter(file => !file.endsWith('README.md')).length > MAX_FILES)
  t.strictSame(
    large.map(([folder]) => folder),
    [],
  )
  t.strictSame(
    names.filter(([folder, of]) => !of.includes(`${folder}/README.md`)).map(([folder]) => folder),
    [],
  )
})

/** Modules that keep state, and why an object that the app makes would be no better. */
const STATEFUL: Readonly<Record<string, string>> = {
  'lib/bridge/socket/read-buffer.ts: fastBuffer': 'one for each event loop: a chunk is valid only during its event',
  'local/processes/child.ts: running': "the children of this process, for its one 'exit' listener",
  'sidecar/transport/deadline.ts: last': 'only shares a timer: the results are the same without it',
}

const COLLECTION = /^new (?:Weak)?(?:Map|Set)\b/
/** Memory without a value of its own is there to be written. */
const MEMORY = /^(?:new \w*Array(?:Buffer)?\([\w\s*]+\)|Buffer\.alloc\w*\((?!0\)))/
const MUTATORS = 'set|add|delete|clear|push|pop|shift|unshift|splice|sort|reverse|fill|copyWithin|write\\w*|addSubnet'

/** Whether a source changes a variable of its module, outside comments. */
function isChanged(text: string, name: string): boolean {
  const change = `(?:\\.(?:${MUTATORS})\\(|(?:\\[[^\\]]*\\]|\\.\\w+)+ (?:[-+*/|&^?]|\\|\\||\\?\\?)?= |(?:\\.\\w+)*(?:\\+\\+|--))`
  return new RegExp(`(?<![\\w.#'])${name}${change}`, 'm').test(text.replace(/^ *(?:\/\/|\/?\*).*$/gm, ''))
}

/** The state of a module: its variables, its memory, and collections that are changed or that another file may change. */
function stateOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const declared = text.matchAll(/^(?:export )?(let|var|const) (\w+)(?:: ([^=\n]+?))? =\s*(.*)$/gm)
  const found = [...declared].filter(([, keyword, name = '', type = '', value = '']) => {
    if (keyword !== 'const' || MEMORY.test(value) || isChanged(text, name)) return true
    return COLLECTION.test(value) && !/^Readonly(?:Map|Set)\b/.test(type)
  })
  const uninitialised = [...text.matchAll(/^(?:export )?(let|var) (\w+)(?:: [^=\n]+)?$/gm)]
  const statics = [
    ...text.matchAll(/^ {2}(?:private )?static (?!readonly\b|async\b)(#?\w+)(?:: [^=(\n]+)?(?: =.*)?$/gm),
  ]
  const names = [...found, ...uninitialised].map(([, , name]) => name)
  return [...names, ...statics.map(([, name]) => name)].map(name => `${file}: ${name}`)
}

t.test('a module has no state: an object that the app makes has it', async t => {
  const programs = sources.filter(file => /^(?:lib|sidecar|balancer|hooks|local)\/.*\.m?ts$/.test(file))
  t.strictSame(programs.flatMap(stateOf).sort(), Object.keys(STATEFUL))
})
