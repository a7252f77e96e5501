import t from 'tap'
import { Type } from 'typebox'
import { ConfigError, documentSettings, helpText, loadConfig } from '../../../lib/service/config.ts'

const schema = Type.Object({
  PORT: Type.Integer({ minimum: 1, maximum: 65_535, default: 3000, description: 'Port to listen on.' }),
  NAME: Type.String({ description: 'Who it is.' }),
  MODE: Type.Enum(['fast', 'safe'], { default: 'safe', description: 'How it is done.' }),
  STRICT: Type.Boolean({ default: false, description: 'Whether to be strict.' }),
  ITEMS: Type.String({ default: '', description: 'Separated by commas.' }),
})

const parsers = {
  ITEMS: (text: string) => {
    if (text.includes(';')) throw new Error('separate by commas')
    return text === '' ? [] : text.split(',')
  },
}

const problemsOf = (
  env: NodeJS.ProcessEnv,
  check?: Parameters<typeof loadConfig<typeof schema, typeof parsers>>[3],
) => {
  try {
    loadConfig(schema, parsers, env, check)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems
  }
}

t.test('what is not set has its default; text becomes what the schema and the parsers say', async t => {
  t.strictSame(
    { ...loadConfig(schema, parsers, { WS_OPERATOR_NAME: 'a', PORT: '1', OTHER: 'x' }) },
    { PORT: 3000, NAME: 'a', MODE: 'safe', STRICT: false, ITEMS: [] },
  )
  t.strictSame(
    {
      ...loadConfig(schema, parsers, {
        WS_OPERATOR_NAME: 'a',
        WS_OPERATOR_PORT: '80',
        WS_OPERATOR_MODE: 'fast',
        WS_OPERATOR_STRICT: 'true',
        WS_OPERATOR_ITEMS: 'x,y',
      }),
    },
    { PORT: 80, NAME: 'a', MODE: 'fast', STRICT: true, ITEMS: ['x', 'y'] },
  )
})

t.test('an empty value counts as not set', async t => {
  const config = loadConfig(schema, parsers, { WS_OPERATOR_NAME: 'a', WS_OPERATOR_PORT: '', WS_OPERATOR_MODE: '' })
  t.match(config, { PORT: 3000, MODE: 'safe' })
  t.strictSame(problemsOf({ WS_OPERATOR_NAME: '' }), ['WS_OPERATOR_NAME is required: Who it is.'])
})

t.test('a configuration cannot be changed, and reading one leaves the schema as it was', async t => {
  const before = JSON.stringify(schema)
  const config = loadConfig(schema, parsers, { WS_OPERATOR_NAME: 'a' })
  t.throws(() => Object.assign(config, { NAME: 'b' }), TypeError)
  t.equal(JSON.stringify(schema), before)
})

t.test('everything that is wrong is said at once, with the variable, what is expected and what it is', async t => {
  const problems = problemsOf({
    WS_OPERATOR_PORT: '70000',
    WS_OPERATOR_MODE: 'quick',
    WS_OPERATOR_STRICT: 'perhaps',
    WS_OPERATOR_ITEMS: 'a;b',
  })
  t.equal(problems.length, 5)
  const text = problems.join('\n')
  t.match(text, /^WS_OPERATOR_NAME is required: Who it is\.$/m)
  t.match(text, /^WS_OPERATOR_PORT must be <= 65535 \(it is "70000"\)$/m)
  t.match(text, /^WS_OPERATOR_MODE .*: fast, safe \(it is "quick"\)$/m)
  t.match(text, /^WS_OPERATOR_STRICT must be boolean \(it is "perhaps"\)$/m)
  t.match(text, /^WS_OPERATOR_ITEMS: separate by commas \(it is "a;b"\)$/m)
})

t.test('what must hold between variables is asked only when each is good by itself', async t => {
  const check = ({ PORT, MODE }: { PORT: number; MODE: string }) =>
    PORT === 80 && MODE === 'safe' ? ['WS_OPERATOR_PORT 80 is not safe'] : []
  t.strictSame(problemsOf({ WS_OPERATOR_NAME: 'a', WS_OPERATOR_PORT: '80' }, check), [
    'WS_OPERATOR_PORT 80 is not safe',
  ])
  t.strictSame(problemsOf({ WS_OPERATOR_NAME: 'a' }, check), [])
  t.strictSame(problemsOf({ WS_OPERATOR_PORT: '80' }, check), ['WS_OPERATOR_NAME is required: Who it is.'])
})

t.test('the error is one text too, for a log', async t => {
  t.throws(() => loadConfig(schema, parsers, { WS_OPERATOR_PORT: 'x' }), {
    name: 'ConfigError',
    message: /WS_OPERATOR_(.|\n)*\n(.|\n)*WS_OPERATOR_/,
  })
})

t.test('the reference has each setting, in order, with its type and default', async t => {
  t.strictSame(documentSettings(schema), [
    { name: 'WS_OPERATOR_PORT', type: 'integer', fallback: '3000', description: 'Port to listen on.' },
    { name: 'WS_OPERATOR_NAME', type: 'string', fallback: 'required', description: 'Who it is.' },
    { name: 'WS_OPERATOR_MODE', type: 'fast | safe', fallback: 'safe', description: 'How it is done.' },
    { name: 'WS_OPERATOR_STRICT', type: 'boolean', fallback: 'false', description: 'Whether to be strict.' },
    { name: 'WS_OPERATOR_ITEMS', type: 'string', fallback: '', description: 'Separated by commas.' },
  ])
})

t.test('the help text is for a person', async t => {
  const text = helpText('fixture', 'does nothing', schema)
  t.match(
    text,
    /^fixture: does nothing\n\nConfigured by environment variables:\n\n {2}WS_OPERATOR_PORT \(integer, 3000\)\n {6}Port to listen on\.\n/,
  )
  t.match(text, '  WS_OPERATOR_ITEMS (string)\n')
  t.equal(text.at(-1), '\n')
})

t.test('what Kubernetes makes for a Service is no setting', async t => {
  const schema = Type.Object({ ADMIN_PORT: Type.Integer({ default: 9090 }), NAME: Type.String({ default: '' }) })
  const load = (text: string) => loadConfig(schema, {}, { WS_OPERATOR_ADMIN_PORT: text })
  for (const text of [
    'tcp://10.96.0.7:80',
    'udp://10.96.0.7:53',
    'sctp://10.0.0.1:9',
    'tcp://[fd00::1]:80',
    'tcp://fd00::1:80',
  ]) {
    t.match(load(text), { ADMIN_PORT: 9090 }, text)
  }
  t.throws(() => load('tcp://example'), /WS_OPERATOR_ADMIN_PORT/)
})
