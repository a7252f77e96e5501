import t from 'tap'
import { attackedTests } from './attacked.ts'

attackedTests(t, 'sidecar', ['drips', 'large-messages', 'half-handshakes'])
