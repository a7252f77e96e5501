import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { Child } from '../../../local/processes/child.ts'
import { waitFor } from '../../helpers/wait.ts'
import { runs } from '../helper.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const childModule = new URL('../../../local/processes/child.ts', import.meta.url).href

/** Path of a program with this text, as `Child` takes it. */
function program(text: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'ws-operator-child-')), 'program.mjs')
  writeFileSync(file, text)
  return relative(root, file)
}

t.test('lines come as they are written; the environment is what is given and nothing else', async t => {
  const lines: string[] = []
  const text = 'console.log(process.env.GIVEN); console.log(process.env.HOME); console.error("the end")'
  const child = new Child('one', program(text), { GIVEN: 'this' }, line => lines.push(line))
  t.equal(await child.ended, 'exit code 0')
  t.strictSame(lines, ['this', 'undefined'])
})

t.test('the last words are the message of a log, else the line itself', async t => {
  const fatal = new Child('a', program(`console.log('{"level":"fatal","msg":"no port"}')`), {}, () => {})
  t.equal(await fatal.ended, 'exit code 0')
  t.equal(fatal.lastOutput, 'no port')
  const plain = new Child('b', program('console.error("out of memory"); process.exit(3)'), {}, () => {})
  t.equal(await plain.ended, 'exit code 3')
  t.equal(plain.lastOutput, 'out of memory')
})

t.test('SIGTERM first, SIGKILL at the deadline', async t => {
  const lines: string[] = []
  const deaf = program('process.on("SIGTERM", () => console.log("no")); console.log("up"); setInterval(() => {}, 1000)')
  const child = new Child('deaf', deaf, {}, line => lines.push(line))
  await waitFor(() => lines.length > 0, 'it runs')
  await child.stop(Date.now() + 300)
  t.equal(await child.ended, 'SIGKILL')
  t.strictSame(lines, ['up', 'no'])
})

t.test('a child ends with the one that started it, even when that goes before the child has begun', async t => {
  const sleeper = program('setInterval(() => {}, 1000)')
  for (const wait of ['', 'await new Promise(resolve => setTimeout(resolve, 500));']) {
    const text = `import { Child } from ${JSON.stringify(childModule)}
      const child = new Child('sleeper', ${JSON.stringify(sleeper)}, {}, () => {})
      console.log(child.pid); ${wait} process.kill(process.pid, 'SIGKILL')`
    const starter = spawn(process.execPath, ['--input-type=module', '-e', text], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [chunk] = await once(starter.stdout, 'data')
    await once(starter, 'exit')
    const pid = Number(String(chunk))
    await waitFor(() => !runs(pid), 'the child is gone', 20_000)
    t.notOk(runs(pid))
  }
})
