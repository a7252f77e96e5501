import type { ServerResponse } from 'node:http'
import t from 'tap'
import { InFlight } from '../../../lib/proxy/in-flight.ts'
import { PLAIN_BYTES } from '../../../lib/proxy/proxy-settings.ts'
import { ask, startHttp } from '../../helpers/plain.ts'
import type { Scope } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

/** A server whose requests are in flight until the test answers them. */
async function start(t: Scope) {
  const account = {
    bytes: 0,
    change(bytes: number) {
      account.bytes += bytes
    },
  }
  const inFlight = new InFlight(account)
  const responses: ServerResponse[] = []
  const { port } = await startHttp(t, (_request, response) => {
    inFlight.add(response)
    responses.push(response)
  })
  return { account, inFlight, responses, port }
}

t.test('a request counts, with its memory, until its answer is complete or its client has left', async t => {
  const { account, inFlight, responses, port } = await start(t)
  const answers = [ask(port), ask(port).catch(() => 'broken off')]
  await waitFor(() => inFlight.size === 2, 'both are in flight')
  t.equal(account.bytes, 2 * PLAIN_BYTES)
  responses[0]?.end('ok')
  await waitFor(() => inFlight.size === 1, 'one is answered')
  t.equal(account.bytes, PLAIN_BYTES)
  responses[1]?.destroy()
  await Promise.all(answers)
  await waitFor(() => inFlight.size === 0, 'the other one is gone')
  t.equal(account.bytes, 0)
})

t.test('it waits for the last answer, and not at all where there is none', async t => {
  const { inFlight, responses, port } = await start(t)
  await inFlight.ended()
  const answers = [ask(port), ask(port)]
  await waitFor(() => inFlight.size === 2, 'both are in flight')
  let isOver = false
  const ended = inFlight.ended().then(() => {
    isOver = true
  })
  responses[0]?.end()
  await waitFor(() => inFlight.size === 1, 'one is answered')
  t.notOk(isOver)
  responses[1]?.end()
  await ended
  await Promise.all(answers)
})

t.test('once connections are to end, each answer is the last of its connection, those under way too', async t => {
  const { inFlight, responses, port } = await start(t)
  const before = ask(port, { headers: { Connection: 'keep-alive' } })
  await waitFor(() => inFlight.size === 1, 'it is in flight')
  inFlight.endConnections()
  const after = ask(port, { headers: { Connection: 'keep-alive' } })
  await waitFor(() => inFlight.size === 2, 'both are in flight')
  for (const response of responses) response.end()
  for (const { headers } of await Promise.all([before, after])) t.equal(headers.connection, 'close')
})
