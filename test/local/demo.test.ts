import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { waitFor } from '../helpers/wait.ts'
import { childrenOf, endsWith, runDemo, runs } from './helper.ts'

// Each of these starts ten processes, on machines that are busy.
t.setTimeout(300_000)

const onLinux = process.platform === 'linux' ? {} : { skip: 'reads /proc to see processes' }

t.test('a port that is taken is said, another one is used, and Ctrl-C ends everything', onLinux, async t => {
  // Another program has it, or we have it now: taken either way.
  const server = createServer().listen(3100, '127.0.0.1')
  await Promise.race([once(server, 'listening'), once(server, 'error').catch(() => {})]).catch(() => {})
  t.teardown(() => server.close())
  const demo = runDemo(t)
  await demo.says('Ctrl-C ends everything')
  t.match(demo.output(), 'port 3100 is taken by another program on this machine; the page uses ')
  const [, url = ''] = /Open (http:\S+)/.exec(demo.output()) ?? []
  t.not(new URL(url).port, '3100')
  t.match(await (await fetch(url)).text(), '<title>ws-operator demo</title>')
  const children = childrenOf(demo.child.pid as number)
  // Hooks, three pods with app and sidecar, balancer.
  t.equal(children.length, 8)
  demo.child.kill('SIGINT')
  await endsWith(t, demo, 0)
  t.match(demo.output(), 'nothing runs any more')
  t.strictSame(children.filter(runs), [])
})

t.test('Ctrl-C during the start ends everything too', onLinux, async t => {
  const demo = runDemo(t)
  await demo.says('is starting on')
  const children = childrenOf(demo.child.pid as number)
  t.ok(children.length > 0)
  demo.child.kill('SIGINT')
  await endsWith(t, demo, 0)
  t.strictSame(children.filter(runs), [])
})

t.test('when the demo itself is killed, its children end', onLinux, async t => {
  const demo = runDemo(t)
  await demo.says('3 pods')
  await waitFor(() => childrenOf(demo.child.pid as number).length >= 4, 'hooks and sidecars run', 30_000)
  const children = childrenOf(demo.child.pid as number)
  demo.child.kill('SIGKILL')
  await demo.exited
  await waitFor(() => children.every(pid => !runs(pid)), 'all children are gone')
  t.strictSame(children.filter(runs), [])
})

t.test('a program that dies is replaced', onLinux, async t => {
  const demo = runDemo(t)
  await demo.says('Ctrl-C ends everything')
  // The hooks were first, then the sidecars.
  const [, sidecar] = childrenOf(demo.child.pid as number)
  process.kill(sidecar as number, 'SIGKILL')
  await demo.says('failed: container')
  await waitFor(() => demo.output().split(' is ready').length >= 6, 'another pod gets ready', 30_000)
  demo.child.kill('SIGTERM')
  await endsWith(t, demo, 0)
})
