import { serviceError } from '../lib/service/errors.ts'
import type { Metrics } from '../lib/service/metrics.ts'
import { type PeerCheck, tokenCheck } from '../lib/service/token.ts'
import type { SidecarConfig } from './config.ts'
import { meansOther } from './target.ts'

/** Why another sidecar is not let in. */
const REASONS = ['no_token', 'wrong_token', 'wrong_target'] as const

/** The check that other sidecars have to pass: they mean this app, and show the token. Who does not is counted. */
export function peerCheck(
  { TOKEN, TOKEN_REQUIRED, TARGET }: Pick<SidecarConfig, 'TOKEN' | 'TOKEN_REQUIRED' | 'TARGET'>,
  metrics: Metrics,
): PeerCheck {
  const hasToken = tokenCheck(TOKEN, TOKEN_REQUIRED)
  const refused = metrics.counter(
    'peers_refused_total',
    'Requests of other sidecars that were refused: without a token, with a wrong one, or meant for the pods of another Deployment.',
    { labelNames: ['reason'] },
  )
  for (const reason of REASONS) refused.inc({ reason }, 0)
  return async request => {
    const { headers } = request
    if (meansOther(TARGET, headers)) {
      refused.inc({ reason: 'wrong_target' })
      throw serviceError('WRONG_TARGET')
    }
    try {
      return await hasToken(request)
    } catch (error) {
      refused.inc({ reason: headers.authorization === undefined ? 'no_token' : 'wrong_token' })
      throw error
    }
  }
}
