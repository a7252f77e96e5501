import t from 'tap'
import { celText, celValue } from '../../../scripts/docs/cel.ts'

t.test('a value becomes the expression that makes it', async t => {
  const container = {
    name: 'a',
    ports: [{ containerPort: 1 }],
    absent: undefined,
    resources: { limits: { memory: '1Mi' } },
    secure: true,
  }
  t.equal(
    celValue(container, 'Object.spec'),
    'Object.spec{name: "a", ports: [Object.spec.ports{containerPort: 1}], resources: Object.spec.resources{limits: {"memory": "1Mi"}}, secure: true}',
  )
})

t.test('blanks become expressions, alone and inside of text', async t => {
  const blanks = { '<name>': 'object.metadata.name', '99999': 'string(variables.port)' }
  t.equal(celValue({ value: '99999' }, 'O', blanks), 'O{value: string(variables.port)}')
  t.equal(celValue({ value: 'a.<name>.b' }, 'O', blanks), 'O{value: "a." + object.metadata.name + ".b"}')
  t.equal(celValue({ value: '' }, 'O', blanks), 'O{value: ""}')
})

t.test('text cannot leave its quotes', async t => {
  t.equal(celText('say "x"\\\n'), '"say \\"x\\"\\\\\\n"')
})
