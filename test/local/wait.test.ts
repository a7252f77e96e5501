import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { pause, until } from '../../local/wait.ts'

t.test('a pause ends with its signal, and an ended signal lets none begin', async t => {
  const controller = new AbortController()
  const paused = pause(3_600_000, controller.signal)
  controller.abort()
  t.equal(await paused, undefined)
  t.equal(await pause(3_600_000, controller.signal), undefined)
})

t.test('a pause without a signal ends by itself', async t => {
  // Something else has to keep the process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  t.equal(await pause(1), undefined)
})

t.test('a pause keeps no process alive', async t => {
  const module = new URL('../../local/wait.ts', import.meta.url).href
  const text = `import { pause } from ${JSON.stringify(module)}; pause(3_600_000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', text], { timeout: 60_000, stdio: 'inherit' })
  t.strictSame(await once(child, 'exit'), [0, null])
})

t.test('what is looked for is looked for until it is there, and given back', async t => {
  const answers = [undefined, false, 0]
  let looks = 0
  t.equal(await until<number>(() => answers[looks++] as number, 'a number', 60_000), 0)
  t.equal(looks, 3)
  t.equal(await until(async () => 'x', 'a text', 60_000), 'x')
})

t.test('a look comes also where there is no time, and its failure is told', async t => {
  t.equal(await until(() => true, 'at once', 0), true)
  await t.rejects(
    until(() => undefined, 'the pod is ready', -1000),
    { message: 'waited -1 s in vain: the pod is ready' },
  )
  await t.rejects(
    until(() => Promise.reject(new Error('broken')), 'anything', 60_000),
    { message: 'broken' },
  )
})
