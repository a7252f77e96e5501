import t, { type Test } from 'tap'
import { kubeClient } from '../../../../../lib/routing/discovery/kube/client.ts'
import { CollectionWatch, type KubeObject } from '../../../../../lib/routing/discovery/kube/watch.ts'
import { waitFor } from '../../../../helpers/wait.ts'
import { FakeTiming } from '../fake-timing.ts'
import { expectList, list, watchFrom } from './expected-calls.ts'
import { StandInApi } from './stand-in-api.ts'

interface Item extends KubeObject {
  readonly values: readonly string[]
}

const item = (name: string, version: number, ...values: string[]): Item => ({
  metadata: { name, resourceVersion: String(version) },
  values,
})

const bookmark = (version: number) => ({ metadata: { name: '', resourceVersion: String(version) } })

/** Follows a stand-in API server; an answer is the values of all items. `check` runs with each. */
async function follow(t: Test, { idleTimeoutMs = 60_000, check = (_text: string) => {} } = {}) {
  const api = await StandInApi.start(t)
  const timing = new FakeTiming({ endAtOnce: true })
  const answers: string[] = []
  const failures: string[] = []
  const abort = new AbortController()
  const running = new CollectionWatch<Item>({
    get: kubeClient(api.config, { idleTimeoutMs }),
    path: '/apis/things',
    labelSelector: 'of=chat',
    timing,
    onItems(items) {
      const text = items
        .flatMap(({ values }) => values)
        .sort()
        .join(',')
      check(text)
      answers.push(text)
    },
    onError: ({ message }) => failures.push(message),
  }).run(abort.signal)
  t.teardown(() => {
    abort.abort()
    return running
  })
  return {
    abort,
    running,
    answers,
    failures,
    api,
    timing,
    answered: (text: string) => waitFor(() => answers.at(-1) === text, `items ${text}, now ${answers.at(-1)}`),
    failed: (count: number) => waitFor(() => failures.length >= count, `${count} failures`),
  }
}

t.test('it lists all items of the selector, then watches: each event changes the copy', async t => {
  const { api, answers, answered, failures } = await follow(t)
  const first = await expectList(t, api)
  t.equal(first.path, '/apis/things')
  t.equal(first.query.get('labelSelector'), 'of=chat')
  t.strictSame(answers, [], 'nothing is told before the server answers')
  first.reply(200, list(10, item('a', 9, 'v1')))
  await answered('v1')
  const watch = await watchFrom(t, api, 10)
  t.equal(watch.query.get('labelSelector'), 'of=chat')
  t.equal(watch.query.get('allowWatchBookmarks'), 'true')
  const seconds = Number(watch.query.get('timeoutSeconds'))
  t.ok(seconds >= 240 && seconds <= 300, `timeoutSeconds ${seconds}`)
  watch.event('MODIFIED', item('a', 11, 'v1', 'v2'))
  await answered('v1,v2')
  watch.event('ADDED', item('b', 12, 'v3'))
  await answered('v1,v2,v3')
  watch.event('DELETED', item('a', 13, 'v1', 'v2'))
  await answered('v3')
  t.strictSame(failures, [])
})

t.test('an event may come in pieces, and several at once are told once', async t => {
  const { api, answers, answered } = await follow(t)
  const first = await expectList(t, api)
  first.reply(200, list(1, item('a', 1, 'v1'), item('b', 1, 'v2')))
  const watch = await watchFrom(t, api, 1)
  await answered('v1,v2')
  const text = JSON.stringify({ type: 'ADDED', object: { ...item('c', 2, 'v3'), note: 'é' } })
  const bytes = Buffer.from(`${text}\n`)
  const cut = bytes.indexOf('é') + 1
  watch.response.write(bytes.subarray(0, cut))
  watch.response.write(bytes.subarray(cut))
  await answered('v1,v2,v3')

  const before = answers.length
  const move = [
    { type: 'MODIFIED', object: item('a', 3) },
    { type: 'MODIFIED', object: item('b', 4, 'v1', 'v2') },
  ]
  watch.response.write(move.map(event => `${JSON.stringify(event)}\n`).join(''))
  await waitFor(() => answers.length > before, 'the move')
  t.strictSame(answers.slice(before), ['v1,v2,v3'], 'never seen as gone')
})

t.test('a watch that ends is taken up where it was, with what a bookmark said', async t => {
  const { api, failures } = await follow(t)
  const first = await expectList(t, api)
  first.reply(200, list(10, item('a', 9, 'v1')))
  const watch = await watchFrom(t, api, 10)
  watch.event('BOOKMARK', bookmark(42))
  watch.response.end()
  const second = await watchFrom(t, api, 42)
  second.response.end()
  await watchFrom(t, api, 42)
  t.strictSame(failures, [], 'that is how a watch ends, no failure')
})

t.test('a server that ends every watch at once is not asked in a tight loop', async t => {
  const { api, timing } = await follow(t)
  const first = await expectList(t, api)
  first.reply(200, list(10))
  for (let i = 0; i < 5; i++) {
    const watch = await watchFrom(t, api, 10)
    watch.reply(200, '')
  }
  await watchFrom(t, api, 10)
  t.strictSame(
    timing.sleeps.slice(0, 5),
    [250, 500, 1000, 2000, 4000].map(ms => ms * 0.75),
  )
})

t.test('a connection that is cut, between events or within one, is a failure; the watch goes on', async t => {
  const { api, answers, failures, failed } = await follow(t)
  const first = await expectList(t, api)
  first.reply(200, list(10, item('a', 9, 'v1')))
  const watch = await watchFrom(t, api, 10)
  watch.event('BOOKMARK', bookmark(11))
  watch.response.write('{"type":"MODIF', () => watch.response.destroy())
  await failed(1)
  const second = await watchFrom(t, api, 11)
  second.response.write('{"type":"MODIFIED","object":')
  second.response.end()
  await failed(2)
  t.match(failures[1], /^the watch was cut in the middle of an event$/)
  const third = await watchFrom(t, api, 11)
  t.strictSame([...new Set(answers)], ['v1'], 'the items known so far stay')
  const before = answers.length
  third.event('BOOKMARK', bookmark(12))
  await waitFor(() => answers.length > before, 'that they are right is said again')
  t.equal(answers.at(-1), 'v1')
})

t.test('that there is no item is said again after a failure, though nothing has changed', async t => {
  const { api, answers, failures, failed } = await follow(t)
  const first = await expectList(t, api)
  first.reply(200, list(10))
  const watch = await watchFrom(t, api, 10)
  watch.reply(500, 'no')
  await failed(1)
  t.strictSame(answers, [''])
  const next = await watchFrom(t, api, 10)
  next.event('BOOKMARK', bookmark(12))
  await waitFor(() => answers.length === 2, 'the second answer')
  next.response.end()
  const last = await watchFrom(t, api, 12)
  last.event('BOOKMARK', bookmark(13))
  last.response.end()
  await watchFrom(t, api, 13)
  t.strictSame([answers, failures.length], [['', ''], 1], 'and not again without one')
})

t.test('410, as an answer or as an event: list again, which is no failure', async t => {
  const { api, answered, failures } = await follow(t)
  const first = await expectList(t, api)
  first.reply(200, list(10, item('a', 9, 'v1')))
  const watch = await watchFrom(t, api, 10)
  watch.reply(410, { kind: 'Status', code: 410, message: 'too old resource version' })
  const again = await expectList(t, api)
  again.reply(200, list(500, item('b', 499, 'v2')))
  await answered('v2')
  const second = await watchFrom(t, api, 500)
  second.event('ERROR', {
    kind: 'Status',
    code: 410,
    message: 'The resourceVersion for the provided watch is too old.',
  })
  const third = await expectList(t, api)
  third.reply(200, list(600, item('b', 499, 'v2')))
  await watchFrom(t, api, 600)
  t.strictSame(failures, [])
})

t.test('after any other error event, and after what cannot be read, it lists again', async t => {
  const { api, failures, failed } = await follow(t)
  let version = 10
  for (const [line, message] of [
    ['{"type":"ERROR","object":{"code":500,"message":"etcd is gone"}}', /the watch failed: etcd is gone/],
    ['{"type":"MODIFIED","object":{', /broken JSON/],
    ['{"type":"SURPRISE","object":{"metadata":{"name":"a"}}}', /unknown type "SURPRISE"/],
    ['{"type":"ADDED"}', /./],
  ] as const) {
    const before = failures.length
    const again = await expectList(t, api)
    again.reply(200, list(++version, item('a', 9, 'v1')))
    const watch = await watchFrom(t, api, version)
    watch.response.write(`${line}\n`)
    await failed(before + 1)
    t.match(failures.at(-1), message)
  }
})

t.test('a watch that keeps failing from one version: after three in a row it lists again', async t => {
  const { api, answered, failed } = await follow(t)
  const first = await expectList(t, api)
  first.reply(200, list(10, item('a', 9, 'v1')))
  for (let n = 0; n < 2; n++) {
    const watch = await watchFrom(t, api, 10)
    watch.reply(500, 'no')
  }
  const good = await watchFrom(t, api, 10)
  good.event('BOOKMARK', bookmark(11))
  good.response.end()
  for (let n = 0; n < 3; n++) {
    const watch = await watchFrom(t, api, 11)
    watch.reply(500, 'no')
  }
  const again = await expectList(t, api)
  again.reply(200, list(20, item('a', 19, 'v2')))
  await answered('v2')
  await watchFrom(t, api, 20)
  await failed(5)
})

t.test('a list that cannot be read, is refused or does not come is tried again', async t => {
  const { api, answers, failures, failed, answered } = await follow(t)
  for (const [status, body, message] of [
    [200, '{"items":[', /broken JSON/],
    [200, {}, /no list/],
    [403, { message: 'no RBAC for this' }, /answered 403: no RBAC for this/],
    [503, 'starting', /answered 503: starting/],
  ] as const) {
    const before = failures.length
    const call = await expectList(t, api)
    call.reply(status, body)
    await failed(before + 1)
    t.match(failures.at(-1), message)
  }
  const dropped = await expectList(t, api)
  dropped.response.destroy()
  await failed(5)
  t.strictSame(answers, [])
  const good = await expectList(t, api)
  good.reply(200, list(1, item('a', 1, 'v1')))
  await answered('v1')
})

t.test('a watch that is silent for too long is taken up anew, without a failure', async t => {
  const { api, failures } = await follow(t, { idleTimeoutMs: 100 })
  const first = await expectList(t, api)
  first.reply(200, list(10, item('a', 9, 'v1')))
  const watch = await watchFrom(t, api, 10)
  watch.event('BOOKMARK', bookmark(11))
  await watchFrom(t, api, 11)
  t.strictSame(failures, [])
})

t.test('a listener that throws is a failure of that answer, not of the copy', async t => {
  const check = (text: string) => {
    if (text === 'bad') throw new Error('it cannot be bad')
  }
  const { api, answers, failures, failed, answered } = await follow(t, { check })
  const first = await expectList(t, api)
  first.reply(200, list(10, item('a', 9, 'bad')))
  await failed(1)
  const watch = await watchFrom(t, api, 10)
  watch.event('MODIFIED', item('a', 11, 'good'))
  await answered('good')
  t.strictSame([answers, failures], [['good'], ['it cannot be bad']])
})

t.test('it ends when the signal is aborted, in the middle of a watch, without a failure', async t => {
  const { api, abort, running, failures } = await follow(t)
  const first = await expectList(t, api)
  first.reply(200, list(10))
  await watchFrom(t, api, 10)
  abort.abort()
  await running
  t.strictSame(failures, [])
})
