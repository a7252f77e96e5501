import { existsSync, globSync, readFileSync } from 'node:fs'
import t from 'tap'

/** Rows of the tables whose last column names tests. */
const rows = readFileSync(new URL('../docs/security.md', import.meta.url), 'utf8')
  .split('\n')
  .filter(line => line.startsWith('|') && line.split('|').length === 6)
  .map(line =>
    line
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
  .filter(([first = '']) => first !== 'threat' && !/^-+$/.test(first))

t.test('the tests that the threat model names are there', async t => {
  const folder = new URL('./', import.meta.url)
  let named = 0
  for (const [threat = '', , , cell = ''] of rows) {
    let file = ''
    for (const [, quoted = ''] of cell.matchAll(/`([^`]+\.test\.ts(?:: [^`]+)?|[^`]+ …|[^`.]+)`/g)) {
      const [, path, name = path === undefined ? quoted : ''] = /^(\S+\.test\.ts)(?:: (.*))?$/.exec(quoted) ?? []
      if (path !== undefined) {
        const found = path.includes('*')
          ? globSync(path, { cwd: folder })
          : existsSync(new URL(path, folder))
            ? [path]
            : []
        t.ok(found.length > 0, `${threat}: ${path}`)
        file = found[0] ?? ''
        named++
      }
      if (name === '' || !/[a-z]/.test(name) || !file || /^(?:JSON\.parse|path:)/.test(name)) continue
      t.ok(readFileSync(new URL(file, folder), 'utf8').includes(name.replace(/ …$/, '')), `${file}: ${name}`)
    }
  }
  t.ok(named > 20, `${named} tests are named`)
})
