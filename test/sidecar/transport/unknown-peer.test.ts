import t from 'tap'
import { ERRORS } from '../../../lib/service/http/errors.ts'
import { isUnknownPeer } from '../../../sidecar/transport/unknown-peer.ts'

t.test('only the refusal of a sidecar that does not list us yet is one to be tried again', async t => {
  t.ok(isUnknownPeer({ 'x-ws-operator-error': 'WSO_ERR_UNKNOWN_PEER' }))
  t.notOk(isUnknownPeer({}), 'an answer of something else')
  for (const { code } of Object.values(ERRORS))
    if (code !== 'WSO_ERR_UNKNOWN_PEER') t.notOk(isUnknownPeer({ 'x-ws-operator-error': code }), code)
})
