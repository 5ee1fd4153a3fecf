//! INV-10: a payment is captured exactly if its booking is CONFIRMED and not
//! refunded; of an ABORTED booking, and of one that never was, it is voided.
//! The gateway's own ledger is the witness.

use payment_gateway_client::wire::PaymentState;

use super::{Evidence, Judgement, Judging};
use crate::final_state::RowState;

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging = Judging::of("INV-10", "money follows the ledger");
    for row in &evidence.state.bookings {
        let id = row.id;
        let payments = Evidence::of(&evidence.payments, id);
        let captured: u64 = payments
            .iter()
            .filter(|payment| payment.state == PaymentState::Captured)
            .map(|payment| payment.amount)
            .sum();
        let due: u64 = match row.state {
            RowState::Aborted => 0,
            RowState::Confirmed | RowState::Cancelled => {
                Evidence::of(&evidence.tickets, id).iter().map(|ticket| ticket.price).sum()
            }
        };
        judging.must(captured == due, || {
            format!("booking {id} ({:?}): {captured} was taken, {due} was due", row.state)
        });
        let several = payments.iter().filter(|payment| payment.state == PaymentState::Captured);
        judging.must(several.count() <= 1, || format!("booking {id} was paid for twice"));
    }
    for payment in &evidence.state.payments {
        let name = &payment.reference;
        judging.must(payment.state != PaymentState::Authorised, || {
            format!("payment {name} is still reserved, and nobody will take it or let it go")
        });
        let known = evidence.rows.contains_key(&payment.booking);
        judging.must(known || payment.state != PaymentState::Captured, || {
            format!("payment {name} was taken, and no shard knows its booking")
        });
        let refunded: u64 = payment.refunds.values().sum();
        judging.must(refunded <= payment.amount, || {
            format!("of payment {name} more was given back than was taken")
        });
    }
    judging.must(evidence.state.waiting == 0, || {
        format!("{} pieces of work still wait in outboxes", evidence.state.waiting)
    });
    judging.findings(evidence.state, 10);
    judging.done()
}

#[cfg(test)]
mod tests {
    use payment_gateway_client::wire::PaymentState;

    use super::super::sample::{Sample, judged};
    use super::judge;
    use crate::final_state::RowState;

    fn sold() -> Sample {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.confirm(ann, 6..9, 12);
        sample.settle();
        sample
    }

    #[test]
    fn money_that_was_taken_for_a_sale_is_fine() {
        assert_eq!(judged(sold(), judge), [""; 0]);
    }

    #[test]
    fn a_sale_that_was_not_paid_is_a_breach() {
        let mut sample = sold();
        sample.state.payments[0].state = PaymentState::Voided;
        assert!(judged(sample, judge)[0].contains("0 was taken, 4500 was due"));
    }

    #[test]
    fn money_taken_or_kept_back_for_nothing_is_a_breach() {
        let mut aborted = sold();
        aborted.state.bookings[0].state = RowState::Aborted;
        assert!(judged(aborted, judge)[0].contains("4500 was taken, 0 was due"));
        let mut unknown = sold();
        unknown.state.bookings.clear();
        assert!(judged(unknown, judge)[0].contains("no shard knows its booking"));
        let mut reserved = sold();
        reserved.state.bookings.clear();
        reserved.state.payments[0].state = PaymentState::Authorised;
        assert!(judged(reserved, judge)[0].contains("still reserved"));
    }

    #[test]
    fn work_that_waits_for_ever_is_a_breach() {
        let mut sample = sold();
        sample.state.waiting = 2;
        assert!(judged(sample, judge)[0].contains("2 pieces of work"));
    }
}
