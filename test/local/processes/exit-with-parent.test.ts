import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const preload = fileURLToPath(new URL('../../../local/processes/exit-with-parent.mjs', import.meta.url))

/** A program with this text that has loaded it, with a channel to this process or none. */
function start(text: string, channel = true): ChildProcess {
  const child = spawn(process.execPath, ['--import', preload, '-e', text], {
    stdio: ['ignore', 'pipe', 'inherit', ...(channel ? (['ipc'] as const) : [])],
    timeout: 60_000,
  })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

t.test('a program ends at once when its parent goes, whatever it does', async t => {
  const deaf =
    'for (const s of ["SIGTERM", "SIGINT"]) process.on(s, () => {}); setInterval(() => {}, 1000); console.log("up")'
  const child = start(deaf)
  await once(child.stdout!, 'data')
  const exit = once(child, 'exit')
  child.disconnect()
  t.strictSame(await exit, [null, 'SIGKILL'])
})

t.test('a program whose parent has gone before it begins does nothing', async t => {
  const child = start('console.log("begun")', false)
  let text = ''
  child.stdout!.on('data', chunk => {
    text += chunk
  })
  t.strictSame(await once(child, 'close'), [null, 'SIGKILL'])
  t.equal(text, '')
})

t.test('a program that has nothing more to do ends by itself', async t => {
  t.strictSame(await once(start(''), 'exit'), [0, null])
})
