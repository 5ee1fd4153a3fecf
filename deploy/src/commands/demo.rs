//! `demo`: a customer's evening against the running cluster, step by step in
//! words; any surprise ends it with an error.

use std::process::ExitCode;
use std::time::Duration;

use booking_api_client::{Book, Booking, BookingClient, BookingState, Confirm, TicketState};
use local_cluster::{Role, StartedCluster};
use seat_model::{Code, PerformanceId, SeatId, ShowId};
use tokio::time::Instant;
use view_service_client::ViewClient;
use view_service_client::wire::{PerformanceView, Show, ShowQuery, TierView};

use super::{Failure, Outcome, token};

/// What the contract promises for a view, with room for a busy machine.
const VISIBLE_WITHIN: Duration = Duration::from_secs(5);

/// So many free seats in a tier, and two next to each other are easy to find.
const ENOUGH: u64 = 20;

pub(crate) async fn run(cluster: &StartedCluster) -> Outcome {
    let view = ViewClient::new(&cluster.base_url(), Duration::from_secs(10))?;
    // New people each time, whose limits nobody has used up.
    let night = jiff::Timestamp::now().as_millisecond().to_string();
    let (ann, bob) = (format!("ann-{night}"), format!("bob-{night}"));
    let customer = |name: &str| -> Result<BookingClient, Failure> {
        let token = cluster.mint_token(name, Role::Customer, token::TTL)?;
        Ok(BookingClient::new(&cluster.base_url(), Some(token))?)
    };
    let demo = Demo { view, ann: customer(&ann)?, bob: customer(&bob)?, night };
    demo.play().await?;
    println!("\nEverything went as it should.");
    Ok(ExitCode::SUCCESS)
}

struct Demo {
    view: ViewClient,
    ann: BookingClient,
    bob: BookingClient,
    night: String,
}

/// Where they go.
struct Choice {
    show: ShowId,
    performance: PerformanceId,
    tier: String,
}

impl Demo {
    async fn play(&self) -> Result<(), Failure> {
        let choice = self.find_show().await?;
        self.look(&choice, &[]).await?;
        let held = self.hold_pair(&choice).await?;
        self.collide(&choice, &held.seats).await?;
        let booking = self.pay(&choice, &held).await?;
        self.list(&booking).await?;
        self.cancel_one(&choice, &booking).await?;
        self.cancel_all(&choice, &booking).await?;
        self.look(&choice, &booking.seats).await
    }

    async fn find_show(&self) -> Result<Choice, Failure> {
        step("What is on?");
        let query = ShowQuery { limit: Some("100".to_owned()), ..ShowQuery::default() };
        let shows = self.view.shows(&query).await?.into_answer()?.shows;
        for show in &shows {
            let cities: Vec<_> = show.performances.iter().map(|p| p.location.as_str()).collect();
            println!("  {:22} {} ({})", show.show_id.as_str(), show.name, cities.join(", "));
        }
        let (show, performance, tier) = shows
            .iter()
            .find_map(choose)
            .ok_or("no show has enough free seats; `./seatlock up` loads some")?;
        println!(
            "  Ann and a friend go to {} in {} ({}, {}).",
            show.name, performance.location, performance.venue, performance.starts_at
        );
        Ok(Choice {
            show: show.show_id.clone(),
            performance: performance.performance_id.clone(),
            tier: tier.tier.clone(),
        })
    }

    /// Shows the map; `free` must be free on it, soon.
    async fn look(&self, choice: &Choice, free: &[SeatId]) -> Result<(), Failure> {
        step(if free.is_empty() { "Which seats are left?" } else { "Are the seats back?" });
        let deadline = Instant::now() + VISIBLE_WITHIN;
        loop {
            let map = self.view.seats(&choice.show, &choice.performance, None).await?;
            let map = map.into_answer()?;
            if free.iter().all(|seat| !map.seats.contains_key(seat)) {
                println!("  {} of {} seats are free.", map.seats_available, map.seats_total);
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(format!("{} are still not free", names(free)).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn hold_pair(&self, choice: &Choice) -> Result<Booking, Failure> {
        step("Two seats next to each other, the best there are");
        let book = Book {
            tier: Some(choice.tier.clone()),
            quantity: Some(2),
            performance_id: Some(choice.performance.clone()),
            ..Book::default()
        };
        let held = self.ann.book(&choice.show, &book, &self.key("hold")).await?.body;
        expect(held.state == BookingState::Held && held.seats.len() == 2, "a hold of two", &held)?;
        expect(held.next_to_each_other, "two next to each other", &held)?;
        let until = held.expires_at.map(|at| at.to_string()).unwrap_or_default();
        println!(
            "  Ann holds {} ({}) until {until}, for {}.",
            names(&held.seats),
            choice.tier,
            money(&held)
        );
        Ok(held)
    }

    async fn collide(&self, choice: &Choice, seats: &[SeatId]) -> Result<(), Failure> {
        step("Bob wants the very same seats");
        let book = Book {
            performance_id: Some(choice.performance.clone()),
            seats: Some(seats.to_vec()),
            ..Book::default()
        };
        match self.bob.book(&choice.show, &book, &self.key("collide")).await {
            Ok(answer) => Err(format!("Bob got held seats: {:?}", answer.body).into()),
            Err(error) => {
                let problem = error.problem().ok_or_else(|| error.to_string())?;
                if problem.code != Code::SeatTaken {
                    return Err(error.into());
                }
                println!("  {} {}: {}", problem.status, problem.code.as_str(), problem.detail);
                for conflict in &problem.conflicts {
                    println!("  {} is taken.", conflict.seat.as_str());
                }
                Ok(())
            }
        }
    }

    async fn pay(&self, choice: &Choice, held: &Booking) -> Result<Booking, Failure> {
        step("Ann pays");
        let confirm = Confirm { payment_token: "tok_ok".to_owned() };
        let booking = self
            .ann
            .confirm(&choice.show, held.booking_id, &confirm, &self.key("confirm"))
            .await?
            .body;
        expect(booking.state == BookingState::Confirmed, "a confirmed booking", &booking)?;
        let tickets = booking.tickets.as_deref().unwrap_or_default();
        expect(tickets.len() == 2, "two tickets", &booking)?;
        for ticket in tickets {
            println!("  ticket for {}: {}", ticket.seat.as_str(), ticket.code);
        }
        Ok(booking)
    }

    async fn list(&self, booking: &Booking) -> Result<(), Failure> {
        step("Ann's bookings");
        let mine = self.ann.bookings(None, None).await?.body.bookings;
        let found = mine.iter().find(|one| one.booking_id == booking.booking_id);
        let found = found.ok_or("the booking is not in the list")?;
        println!("  {} {} for {}", found.booking_id, names(&found.seats), money(found));
        Ok(())
    }

    async fn cancel_one(&self, choice: &Choice, booking: &Booking) -> Result<(), Failure> {
        step("The friend cannot come: one ticket goes back");
        let tickets = booking.tickets.as_deref().unwrap_or_default();
        let ticket = tickets.last().ok_or("there is no ticket")?;
        let left = self
            .ann
            .cancel_ticket(&choice.show, booking.booking_id, &ticket.ticket_id, None)
            .await?
            .body;
        expect(left.seats.len() == 1 && left.amount < booking.amount, "one seat left", &left)?;
        let cancelled = left.tickets.iter().flatten().filter(|t| t.state == TicketState::Cancelled);
        expect(cancelled.count() == 1, "one cancelled ticket", &left)?;
        println!("  Ann keeps {} for {}.", names(&left.seats), money(&left));
        Ok(())
    }

    async fn cancel_all(&self, choice: &Choice, booking: &Booking) -> Result<(), Failure> {
        step("Nor can Ann: the rest goes back, too");
        for time in ["once", "twice"] {
            let gone = self.ann.cancel(&choice.show, booking.booking_id, None).await?.body;
            expect(gone.state == BookingState::Cancelled, "a cancelled booking", &gone)?;
            println!("  cancelled {time}: the answer is the same.");
        }
        Ok(())
    }

    fn key(&self, what: &str) -> String {
        format!("demo-{what}-{}", self.night)
    }
}

fn choose(show: &Show) -> Option<(&Show, &PerformanceView, &TierView)> {
    let on_sale = show.performances.iter().filter(|p| p.on_sale_at.is_none());
    let tiers = on_sale.flat_map(|p| p.tiers.iter().map(move |tier| (p, tier)));
    let mut roomy = tiers.filter(|(_, tier)| tier.seats_available >= ENOUGH);
    roomy.next().map(|(performance, tier)| (show, performance, tier))
}

fn step(title: &str) {
    println!("\n{title}");
}

fn expect(holds: bool, what: &str, booking: &Booking) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(format!("expected {what}, got {booking:?}").into()) }
}

fn names(seats: &[SeatId]) -> String {
    seats.iter().map(SeatId::as_str).collect::<Vec<_>>().join(" and ")
}

/// The demo's currencies have two digits.
fn money(booking: &Booking) -> String {
    format!("{}.{:02} {}", booking.amount / 100, booking.amount % 100, booking.currency)
}
