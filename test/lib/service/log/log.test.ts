import t from 'tap'
import { createLogger, LOG_LEVELS } from '../../../../lib/service/log/log.ts'

function capture(level = 'info') {
  const written: string[] = []
  const log = createLogger('sidecar', 'chat-1', level, { write: text => written.push(text) })
  return { log, written, lines: () => written.map(text => JSON.parse(text)) }
}

t.test('a line is JSON: level as a word, time, component, instance, message', async t => {
  const { log, written, lines } = capture()
  log.info({ members: 3 }, 'members changed')
  t.match(lines(), [{ level: 'info', component: 'sidecar', instance: 'chat-1', members: 3, msg: 'members changed' }])
  t.match(lines()[0].time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  t.equal(written[0]?.at(-1), '\n')
  t.equal(lines()[0].pid, undefined)
})

t.test('an error has its message and its stack', async t => {
  const { log, lines } = capture()
  log.error({ err: new Error('no route') }, 'cannot connect')
  t.match(lines()[0], { level: 'error', err: { type: 'Error', message: 'no route', stack: /no route\n/ } })
})

t.test('what is below the level is not written', async t => {
  for (const [index, level] of LOG_LEVELS.entries()) {
    const { log, lines } = capture(level)
    for (const name of LOG_LEVELS) if (name !== 'silent') log[name]('x')
    t.equal(lines().length, index, level)
  }
})

t.test('secrets of a handshake never reach a log', async t => {
  const headers = {
    host: 'chat.example',
    authorization: 'Bearer secret-1',
    cookie: 'sid=secret-2',
    'sec-websocket-protocol': 'token.secret-3',
  }
  const { log, written, lines } = capture()
  log.info({ headers }, 'handshake')
  log.info({ request: { headers } }, 'handshake')
  log.child({ headers }).info('handshake')
  t.notMatch(written.join(''), /secret/)
  t.equal(lines()[0].headers.host, 'chat.example')
  t.equal(headers.authorization, 'Bearer secret-1', 'the headers themselves are as they were')
})
