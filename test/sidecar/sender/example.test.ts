import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { connect } from '../../helpers/client.ts'
import { startStack, userOn } from '../../helpers/stack.ts'

const program = fileURLToPath(new URL('../../../examples/chat/app.mjs', import.meta.url))

async function startChat(t: Test): Promise<{ port: number }> {
  const child = spawn(process.execPath, [program], {
    env: { PORT: '0', HOST: '127.0.0.1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [line] = await once(child.stdout, 'data')
  return { port: Number(/:(\d+)\n/.exec(String(line))?.[1]) }
}

t.test(
  'the example: a user with three tabs sees each message once in each, from the same pod and from another one',
  async t => {
    const { balancer, ownerOf } = await startStack(t, [await startChat(t), await startChat(t)])
    const bob = userOn(ownerOf, 1, 'bob')
    const tabs = await Promise.all([1, 2, 3].map(() => connect(t, balancer.port, { user: bob })))
    for (const pod of [0, 1]) {
      const sender = await connect(t, balancer.port, { user: userOn(ownerOf, pod, 'alice') })
      const before = tabs[0]?.texts.length ?? 0
      const texts = Array.from({ length: 10 }, (_, n) => JSON.stringify({ recipientId: bob, text: `${pod} ${n}` }))
      for (const text of texts) sender.send(text)
      await Promise.all(tabs.map(tab => tab.received(before + texts.length)))
      for (const tab of tabs) t.strictSame(tab.texts.slice(before), texts)
    }
  },
)
