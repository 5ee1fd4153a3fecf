//! INV-13: a booking exists on exactly one shard, the one the shard map names.

use super::{Evidence, Judgement, Judging};

pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let mut judging = Judging::of("INV-13", "one booking, one shard");
    for (booking, rows) in &evidence.rows {
        judging.must(rows.len() == 1, || {
            let shards: Vec<_> = rows.iter().map(|row| row.shard.as_str()).collect();
            format!("booking {booking} is on {}", shards.join(" and "))
        });
        for row in rows {
            let home = evidence.state.homes.get(&row.show);
            judging.must(home == Some(&row.shard), || {
                let home = home.map_or("nowhere", |home| home.as_str());
                format!("booking {booking} is on {}, its show is on {home}", row.shard)
            });
        }
    }
    judging.findings(evidence.state, 13);
    judging.done()
}

#[cfg(test)]
mod tests {
    use seat_model::ShardId;

    use super::super::sample::{Sample, judged};
    use super::judge;

    fn sold() -> Sample {
        let mut sample = Sample::new();
        let ann = sample.hold("ann", "A-1", 0..5, 10);
        sample.confirm(ann, 6..9, 12);
        sample.settle();
        sample
    }

    #[test]
    fn a_booking_where_its_show_is_is_fine() {
        assert_eq!(judged(sold(), judge), [""; 0]);
    }

    #[test]
    fn a_booking_on_another_shard_or_on_two_is_a_breach() {
        let mut elsewhere = sold();
        elsewhere.state.bookings[0].shard = ShardId::new("shard-1").unwrap();
        assert!(judged(elsewhere, judge)[0].contains("its show is on shard-0"));
        let mut twice = sold();
        let mut copy = twice.state.bookings[0].clone();
        copy.shard = ShardId::new("shard-1").unwrap();
        twice.state.bookings.push(copy);
        assert_eq!(judged(twice, judge).len(), 2);
    }
}
