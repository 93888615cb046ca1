//! All ways to receive a producer, from least to most, and the choice among them.

use std::sync::Arc;

use super::place::Target;
use super::{Rid, Wish};

/// More layers than this are not looked at; browsers send three.
pub const MAX_LAYERS: usize = 8;
/// A set of layers, one bit each.
pub type Layers = u8;

/// One layer, and one decode target in it if it has any.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    /// Which layer, in the order of the offer.
    pub layer: u8,
    pub rid: Option<Rid>,
    pub target: Option<Target>,
    /// Width and height, once a key frame told them.
    pub size: Option<(u32, u32)>,
    /// As measured; 0 until then.
    pub framerate: f64,
    pub bitrate_bps: u64,
    /// Its packets arrive.
    pub live: bool,
}

/// Shared by the threads.
#[derive(Clone, Debug, Default)]
pub struct Ladder(Arc<[Rung]>);

/// How much of what its owner wants a consumer may have, by the bandwidth there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allowance {
    #[default]
    Everything,
    /// This layer and decode target, or less.
    UpTo {
        layer: u8,
        target: Option<u8>,
    },
    Nothing,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    pub layer: u8,
    pub target: Option<Target>,
    /// The layers with whose key frame to begin if nothing is sent at the moment.
    pub starters: Layers,
}

/// Measured frame rates vary; a limit is meant for the rates that cameras and layers have.
const FRAMERATE_SLACK: f64 = 1.2;

impl Ladder {
    pub fn new(mut rungs: Vec<Rung>) -> Self {
        let area = |rung: &Rung| rung.size.map_or(0, |(width, height)| u64::from(width) * u64::from(height));
        let mut whole = [0; MAX_LAYERS];
        for rung in &rungs {
            let layer = &mut whole[usize::from(rung.layer) % MAX_LAYERS];
            *layer = area(rung).max(*layer);
        }
        rungs.sort_by_key(|rung| {
            let within = rung.target.map(|target| (target.spatial, target.temporal));
            (whole[usize::from(rung.layer) % MAX_LAYERS], rung.layer, within)
        });
        Self(rungs.into())
    }

    pub fn rungs(&self) -> &[Rung] {
        &self.0
    }

    pub fn name_of(&self, layer: u8) -> Option<Rid> {
        self.0.iter().find(|rung| rung.layer == layer)?.rid
    }

    /// What `wish` leaves to choose from, least first. Never empty unless nothing arrives.
    pub fn open_to(&self, wish: &Wish) -> impl Iterator<Item = &Rung> {
        let limit = self.reach(wish);
        let least = self.least(wish);
        let any = self.0[..limit].iter().any(|rung| rung.live && fits(rung, wish));
        let least = least.filter(move |_| !any);
        self.0[..limit].iter().filter(move |rung| any && rung.live && fits(rung, wish)).chain(least)
    }

    /// The most that both allow. None: nothing arrives, or nothing is allowed.
    pub fn choose(&self, wish: &Wish, allowance: Allowance) -> Option<Choice> {
        let limit = match allowance {
            Allowance::Everything => self.0.len(),
            Allowance::UpTo { layer, target } => {
                let is_it = |rung: &Rung| rung.layer == layer && rung.target.map(|t| t.index) == target;
                self.0.iter().position(is_it).map_or(0, |index| index + 1)
            }
            Allowance::Nothing => return None,
        };
        let position = |rung: &Rung| self.0.iter().position(|other| std::ptr::eq(rung, other));
        let within = |rung: &&Rung| position(rung).is_some_and(|index| index < limit);
        let chosen = self.open_to(wish).filter(within).last().or_else(|| self.open_to(wish).next())?;
        let named = wish.rid.is_some() && chosen.rid == wish.rid;
        let below = self.0.iter().take_while(|rung| !std::ptr::eq(*rung, chosen)).filter(|_| !named);
        let starters = below.fold(1 << chosen.layer, |set, rung| set | 1 << rung.layer);
        Some(Choice { layer: chosen.layer, target: chosen.target, starters })
    }

    /// How many rungs there are up to the layer that is named; all if there is none of that name.
    fn reach(&self, wish: &Wish) -> usize {
        let named = wish.rid.and_then(|rid| self.0.iter().rposition(|rung| rung.rid == Some(rid)));
        named.map_or(self.0.len(), |index| index + 1)
    }

    /// The lowest picture that arrives, with as many frames as the wish allows.
    fn least(&self, wish: &Wish) -> Option<&Rung> {
        let lowest = self.0.iter().find(|rung| rung.live)?;
        let spatial = |rung: &Rung| rung.target.map(|target| target.spatial);
        let same = |rung: &&Rung| rung.layer == lowest.layer && spatial(rung) == spatial(lowest);
        self.0.iter().filter(same).rfind(|rung| is_slow_enough(rung, wish)).or(Some(lowest))
    }
}

/// What is not known does not exceed a limit.
fn fits(rung: &Rung, wish: &Wish) -> bool {
    let (width, height) = rung.size.unwrap_or((0, 0));
    let below = |value: u32, limit: u32| limit == 0 || value <= limit;
    below(width, wish.max_width) && below(height, wish.max_height) && is_slow_enough(rung, wish)
}

fn is_slow_enough(rung: &Rung, wish: &Wish) -> bool {
    wish.max_framerate == 0.0 || rung.framerate <= wish.max_framerate * FRAMERATE_SLACK
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung(layer: u8, rid: &str, height: u32, target: Option<(u8, u8)>, framerate: f64) -> Rung {
        Rung {
            layer,
            rid: Some(rid.into()),
            target: target.map(|(spatial, temporal)| Target::grid(spatial, temporal)),
            size: (height > 0).then_some((height * 16 / 9, height)),
            framerate,
            bitrate_bps: 0,
            live: true,
        }
    }

    /// f, h and q; q has two temporal layers.
    fn ladder() -> Vec<Rung> {
        vec![
            rung(0, "f", 720, None, 30.0),
            rung(1, "h", 360, None, 30.0),
            rung(2, "q", 180, Some((0, 1)), 31.0),
            rung(2, "q", 180, Some((0, 0)), 15.0),
        ]
    }

    fn chosen(rungs: Vec<Rung>, wish: &Wish, allowance: Allowance) -> Option<(u8, Option<u8>)> {
        let choice = Ladder::new(rungs).choose(wish, allowance)?;
        Some((choice.layer, choice.target.map(|target| target.index)))
    }

    fn by_wish(wish: &Wish) -> (u8, Option<u8>) {
        chosen(ladder(), wish, Allowance::Everything).unwrap()
    }

    #[test]
    fn the_largest_within_the_limits_is_chosen() {
        let limits =
            |max_width, max_height, max_framerate| Wish { rid: None, max_width, max_height, max_framerate };
        assert_eq!(by_wish(&Wish::default()), (0, None));
        assert_eq!(by_wish(&limits(0, 719, 0.0)), (1, None));
        assert_eq!(by_wish(&limits(320, 0, 0.0)), (2, Some(1)));
        assert_eq!(by_wish(&limits(0, 90, 0.0)), (2, Some(1)), "else the lowest");
        assert_eq!(by_wish(&limits(0, 90, 10.0)), (2, Some(0)));
        assert_eq!(by_wish(&limits(0, 0, 15.0)), (2, Some(0)), "the others have no temporal layers");
        assert_eq!(by_wish(&limits(0, 720, 30.0)), (0, None));
    }

    #[test]
    fn a_name_is_a_limit_as_well() {
        let named = |rid: &str| Wish { rid: Some(rid.into()), ..Wish::default() };
        assert_eq!(by_wish(&named("h")), (1, None));
        assert_eq!(by_wish(&Wish { max_height: 200, ..named("h") }), (2, Some(1)));
        assert_eq!(by_wish(&named("x")), (0, None), "nobody knows where it would be");
        let mut stopped = ladder();
        stopped[1].live = false;
        assert_eq!(chosen(stopped.clone(), &named("h"), Allowance::Everything), Some((2, Some(1))));
        assert_eq!(chosen(stopped, &Wish::default(), Allowance::Everything), Some((0, None)));
        let mut lowest = ladder();
        lowest.retain(|rung| rung.layer != 2);
        lowest[1].live = false;
        assert_eq!(
            chosen(lowest, &named("h"), Allowance::Everything),
            Some((0, None)),
            "or above, if it must be"
        );
    }

    #[test]
    fn bandwidth_takes_and_never_gives() {
        let up_to = |layer, target| Allowance::UpTo { layer, target };
        let automatic = |allowance| chosen(ladder(), &Wish::default(), allowance);
        assert_eq!(automatic(up_to(1, None)), Some((1, None)));
        assert_eq!(automatic(up_to(2, Some(0))), Some((2, Some(0))));
        assert_eq!(automatic(Allowance::Nothing), None);
        let small = Wish { max_height: 180, ..Wish::default() };
        assert_eq!(chosen(ladder(), &small, up_to(0, None)), Some((2, Some(1))));
        assert_eq!(
            automatic(up_to(7, None)),
            Some((2, Some(0))),
            "gone: the least, until there is a new one"
        );
        assert_eq!(chosen(Vec::new(), &small, Allowance::Everything), None);
    }

    #[test]
    fn a_picture_begins_with_any_layer_below_unless_one_is_named() {
        let choose =
            |wish: &Wish| Ladder::new(ladder()).choose(wish, Allowance::Everything).unwrap().starters;
        assert_eq!(choose(&Wish::default()), 0b111);
        assert_eq!(choose(&Wish { max_height: 360, ..Wish::default() }), 0b110);
        assert_eq!(choose(&Wish { rid: Some("h".into()), ..Wish::default() }), 0b010);
    }

    #[test]
    fn what_is_open_is_told_from_least_to_most() {
        let ladder = Ladder::new(ladder());
        let open = |wish: &Wish| ladder.open_to(wish).map(|rung| rung.layer).collect::<Vec<_>>();
        assert_eq!(open(&Wish::default()), [2, 2, 1, 0]);
        assert_eq!(open(&Wish { max_height: 360, ..Wish::default() }), [2, 2, 1]);
        assert_eq!(open(&Wish { max_height: 1, ..Wish::default() }), [2]);
    }
}
